"""Block I/O, as the agent says it, and as /proc/diskstats and the program that does it do."""

from kernel_case import (FLUSHES, IO_PERCENT, READ_MS, READ_SECTORS, READS, SECTOR, WRITE_MS,
                         WRITES, WRITTEN_SECTORS, KernelCase, figure)

# Between the end of a request by our clock and by the kernel's are our handler, which is timed, and the end of
# the request's bio, which wakes who waits for it: this many times as long, at the most.
HANDLERS = 4
# The emulator's one thread serves one CPU for so long before it turns to the other. Of some 0.1 s that lie
# between the clocks in all, one such turn is to be expected now and then, two hardly ever.
TURNS_NS = 2 * 100_000_000


class Block(KernelCase):
    def test_direct_io_is_what_the_program_did(self):
        said = self.boot.said["writer"]
        # What stands in diskstats is what the program did; a flush counts as a write there too.
        self.assertEqual(said["after_write_ops"] - said["before_write_ops"],
                         said["ops"] + said["fsyncs"])
        self.assertEqual(said["after_flush_ops"] - said["before_flush_ops"], said["fsyncs"])
        self.assertEqual(said["after_write_bytes"] - said["before_write_bytes"], said["bytes"])
        writes, flushes, sectors = (self.disk("vda", "born", "counted", field)
                                    for field in (WRITES, FLUSHES, WRITTEN_SECTORS))
        self.check_block("writer", "vda", "born", "counted", write_ops=writes - flushes,
                         write_bytes=sectors * SECTOR, flush_ops=flushes)
        self.assertEqual(self.boot.block("counted", "writer", "vda")["read_ops"], 0)

    def test_two_vms_on_one_disk_are_told_apart(self):
        self.check_block("reader", "vda", "born", "counted",
                         read_ops=self.disk("vda", "born", "counted", READS),
                         read_bytes=self.disk("vda", "born", "counted", READ_SECTORS) * SECTOR)
        block = self.boot.block("counted", "reader", "vda")
        self.assertEqual((block["write_ops"], block["write_bytes"], block["flush_ops"]), (0, 0, 0))

    def check_beneath(self, name, op, device, *disks):
        """All that the VM did on `device` is its own on each of the disks, and there alone."""
        ops, sectors = (READS, READ_SECTORS) if op == "read" else (WRITES, WRITTEN_SECTORS)

        def grown(disk, field):
            return self.disk(disk, "mapped", "remapped", field)

        self.assertGreater(grown(device, sectors), 0)
        for disk in disks:
            # A flush is also a write of no bytes.
            flushes = grown(disk, FLUSHES) if op == "write" else 0
            self.near(f"{disk} {op} bytes beneath {device}", grown(disk, sectors),
                      grown(device, sectors), IO_PERCENT)
            self.check_block(name, disk, "mapped", "remapped",
                             **{f"{op}_ops": grown(disk, ops) - flushes,
                                f"{op}_bytes": grown(disk, sectors) * SECTOR})
        blocks = self.boot.vm("remapped", name)["ext"]["block"]
        self.assertEqual({block["dev"] for block in blocks}, set(disks))

    def test_io_on_a_mapped_device_is_counted_once_on_the_disk_beneath(self):
        self.check_beneath("mapped", "write", "dm-0", "vdc")

    def test_io_on_an_encrypted_device_is_the_vms_on_the_disk_beneath(self):
        self.check_beneath("sealer", "write", "dm-1", "vdd")
        self.check_beneath("opener", "read", "dm-1", "vdd")
        self.check_block("sealer", "vdd", "mapped", "remapped",
                         flush_ops=self.disk("vdd", "mapped", "remapped", FLUSHES))

    def test_writes_to_a_mirror_are_the_vms_on_both_disks(self):
        self.check_beneath("mirror", "write", "md0", "vde", "vdf")

    def test_disks_of_a_mirror_name_the_array_above_them(self):
        under = {block["dev"]: block.get("under")
                 for block in self.boot.vm("remapped", "mirror")["ext"]["block"]}
        self.assertEqual(under, {"vde": "md0", "vdf": "md0"})

    def test_flushes_of_a_mirror_are_the_vms_on_both_disks(self):
        done = [self.disk(disk, "mapped", "remapped", FLUSHES) for disk in ("vde", "vdf")]
        self.assertGreater(min(done), 0)
        ours = [self.block_grown("mirror", disk, "mapped", "remapped", "flush_ops")
                for disk in ("vde", "vdf")]
        print(f"  mirror: {ours} flushes of {done} on its two disks")
        self.assertEqual(ours, done)

    def test_what_the_kernel_writes_back_later_is_the_vms(self):
        written = self.disk("vdb", "born", "counted", WRITTEN_SECTORS) * SECTOR
        self.assertGreater(written, 1 << 20)
        self.check_block("cached", "vdb", "born", "counted", write_bytes=written)
        seen = {block["write_bytes"] for frame in self.boot.frames["first"] for vm in frame["vms"]
                for block in vm["ext"].get("block", []) if block["dev"] == "vdb"}
        self.assertGreater(len(seen), 4, "written back as time goes by, not only by the last sync")

    def test_busy_time_is_plausible(self):
        elapsed_ns = 1e9 * (self.boot.seen["counted"]["time"] - self.boot.seen["watched"]["time"])
        for name, disk in (("writer", "vda"), ("reader", "vda"), ("cached", "vdb")):
            block = self.boot.block("counted", name, disk)
            print(f"  {name}: {disk} busy for {block['busy_ns'] / 1e6:.0f} ms of "
                  f"{elapsed_ns / 1e6:.0f} ms")
            self.assertGreater(block["busy_ns"], 0)
            self.assertLess(block["busy_ns"], elapsed_ns)
            self.assertEqual(block["in_flight"], 0, f"{name}: all was done by then")

    def test_time_of_requests_is_what_diskstats_weighs(self):
        """Both begin at the same clock; ours ends when our handler begins, the kernel's own some time after
        it has ended. So they differ by so much a request, which here, emulated, is no small part of it."""
        runs, ns = (new - old for old, new in zip(*(
            self.boot.seen[mark]["ext"]["self"]["programs"]["vp_rq_complete"]
            for mark in ("born", "counted"))))
        handler_ns = ns / runs
        for name, disk, fields, op in (("reader", "vda", (READS, READ_MS), "read"),
                                       ("cached", "vdb", (WRITES, WRITE_MS), "write")):
            # All that was done there in that time was this VM's.
            requests, ms = (self.disk(disk, "born", "counted", field) for field in fields)
            want = 1e6 * ms
            got = self.block_time(name, disk, "born", "counted", f"{op}_queue_ns",
                                  f"{op}_device_ns")
            figure(f"{name} time of {op}s, ns", got, want)
            print(f"  {name}: {requests} requests, each off by {(want - got) / requests / handler_ns:.2f} runs "
                  f"of our handler, which takes {handler_ns / 1000:.0f} us")
            self.assertLessEqual(abs(want - got), requests * HANDLERS * handler_ns + TURNS_NS)

    def test_every_operation_is_in_the_histogram_of_latencies(self):
        for name, disk, op in (("reader", "vda", "read"), ("writer", "vda", "write")):
            block = self.boot.block("counted", name, disk)
            untimed = block.get("untimed_ops", 0)
            self.assertEqual(sum(block[f"{op}_latency"]) + untimed, block[f"{op}_ops"], name)
            self.assertLessEqual(untimed, self.kept_from_the_agent())

    def test_the_first_requests_of_a_vm_are_its_own(self):
        # Born under the agent's eyes, submitting before its cgroup was known to it.
        for name, op in (("writer", "write"), ("reader", "read")):
            said = self.boot.said.get(name)
            if said is None:
                continue
            got = self.boot.block("counted", name, "vda")[f"{op}_ops"]
            self.near(f"{name} {op}_ops from its first", got, said["ops"], IO_PERCENT,
                      events=said["ops"])

    def test_who_went_first_is_told(self):
        self.assertIn("flooded", self.boot.seen)
        flood = self.boot.vm("flooded", "flood")["uuid"]
        block = self.boot.block("flooded", "victim", "vdc")
        time = self.block_time("victim", "vdc", "calm", "flooded", "read_queue_ns",
                               "read_device_ns")
        ahead = self.block_grown("victim", "vdc", "calm", "flooded", "ahead_ns")
        print(f"  of {time / 1e6:.0f} ms of the victim's requests the disk served others for "
              f"{ahead / 1e6:.0f} ms; in all {block['ahead']}")
        self.assertGreater(ahead, 0.02 * time)
        self.assertLessEqual(ahead, time)
        culprit, ns = block["ahead"][0]
        self.assertEqual(culprit, flood)
        self.assertGreater(ns, 0.9 * sum(share for _, share in block["ahead"]))

    def test_a_slow_request_is_in_flight_until_it_ends(self):
        """While one is for more than a second, the agent asks the kernel about it (vp_expire_request)."""
        pid = self.boot.machines["mapped"]["slow"].pid
        blocks = [block for frame in self.boot.frames["again"] for vm in frame["vms"]
                  if vm["ext"].get("pid") == pid
                  for block in vm["ext"].get("block", []) if block["dev"] == "vdg"]
        last = blocks[-1]
        print(f"  slow: {last['read_ops']} reads, by latency {last['read_latency']}; in flight in "
              f"{sum(block['in_flight'] == 1 for block in blocks)} of {len(blocks)} samples")
        # The bucket of the longest begins at 2^30 ns or later: the agent has asked about it.
        self.assertGreater(len(last["read_latency"]), 19)
        self.assertNotIn("untimed_ops", last)
