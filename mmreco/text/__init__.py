"""Text before any encoder: segmentation, folding, cleaning."""
