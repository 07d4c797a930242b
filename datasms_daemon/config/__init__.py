"""The configuration file: records, loader, sample."""
