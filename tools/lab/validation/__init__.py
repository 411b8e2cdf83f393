"""Holds virtpulse against loads that are known: the whole product beside real guests, what it
stored beside what the guests, the kernel and libvirt say themselves.

A scenario (../scenarios/NN_name.py) says what is set, what is expected and why, and drives a Bench.
"""
