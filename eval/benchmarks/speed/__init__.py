"""What speed benchmarks are made of and what they say: texts, questions, vectors, counts of operations, tables, charts.

Nothing here starts a process or takes a time; that is done in api/speed."""
