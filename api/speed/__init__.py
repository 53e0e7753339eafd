"""``footnote bench index``, ``query``, ``limit``, ``peers`` and ``scale``: what starts processes and takes times.

Each command returns a SpeedReport; what a report is made of lies in eval/benchmarks/speed."""
