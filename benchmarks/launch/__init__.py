"""What it takes from a request to a file, measured on the real service and on Dagster as it comes.

    python -m benchmarks.launch [--exports 40] [--burst 1000] [--naive 5] [--partitions 100000] [--rows 1000000]

stacks    the two services that are compared, their callers, and the processor time they use
singly    exports one at a time
burst     many exports at once, and a plain loop that writes the same files
filling   a database as after weeks of use
naive     Dagster's definitions and instance of the service it is compared with

Figures go to stdout as JSON lines. Each is of this machine at this moment; the first line says which.
"""
