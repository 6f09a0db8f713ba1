"""More than one machine: training and serving on Ray (`training`, `serving`), embedding on Ray Data (`embedding`)."""
