"""Where customers speak: one file a source, and how it is read. The only importer of the networks' clients."""
