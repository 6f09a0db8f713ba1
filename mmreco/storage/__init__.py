"""Folders that are either whole or refused: artefacts under a manifest, and the locks on them."""
