"""How the reader that ships in rag/data is made. Nothing here is installed or imported by Footnote."""
