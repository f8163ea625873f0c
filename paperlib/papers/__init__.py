"""The papers, a folder each, in it a folder a topic: its experiment, figures, tables and claims."""
