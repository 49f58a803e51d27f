def measure(report):
    pass
