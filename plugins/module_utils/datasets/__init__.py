"""COCO and LVIS on the host: choosing a subset, cutting annotations, validating and putting in place. Standard library only."""
