"""How long tests wait, on machines of which nobody knows how slow they are."""

# A program that is told to end has done so long before: what could hold it up (an answer that never
# comes, a libvirtd that stands still) would do so for more than twice as long.
UNHELD_S = 10
