"""8. CPU: a noisy neighbour, found by name

Set: two VMs on one CPU; both want more than half of it.

Expected: the pre-emption matrix says that the second one had the CPU while the first one waited.

Why: that a VM waits is seen from its own figures; who makes it wait is not."""


def run(bench):
    bench.skip(
        "The agents' frames carry no pre-emption matrix yet: nothing says who had the CPU while "
        "another one waited."
    )
