"""A collector's database: a place for it, and what is in it."""

import contextlib
import os
import sqlite3
import tempfile
import unittest


def rows(database, sql, *values):
    """What the database answers, in a connection of its own."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql, values).fetchall()


class WithDatabase(unittest.TestCase):
    """Each test has a directory of its own, and in it the name of a database that is not there yet."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.database = os.path.join(directory.name, "grid.db")
