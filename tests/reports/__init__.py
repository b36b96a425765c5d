"""What ``make bench`` and ``make evaluate`` report with: rows and their bars, the machine, pages, plots."""
