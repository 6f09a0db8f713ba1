"""Content to vectors, one modality a file; and `embed`, which does it for whole catalogues."""
