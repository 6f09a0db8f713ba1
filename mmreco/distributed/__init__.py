"""More than one machine: training on Ray Train (`training`), embedding on Ray Data (`embedding`)."""
