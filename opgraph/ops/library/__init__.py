"""The ops themselves, one file a family; loaded by the registry when first asked for."""
