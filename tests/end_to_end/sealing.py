"""Sealed frames, made from the protocol's text with libsodium and libzstd and nothing of ours."""

import ctypes
import ctypes.util
import os
import struct

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
ZSTD.ZSTD_compressBound.restype = ctypes.c_size_t
ZSTD.ZSTD_compress.restype = ctypes.c_size_t
SODIUM.sodium_init()

PLAIN, PACKED = 1, 2
TAG_BYTES = 16


class Key:
    def __init__(self, line):
        number, digits, self.pattern = line.split()
        self.id, self.bytes = int(number), bytes.fromhex(digits)


def packed(text):
    out = ctypes.create_string_buffer(ZSTD.ZSTD_compressBound(ctypes.c_size_t(len(text))))
    size = ZSTD.ZSTD_compress(out, ctypes.c_size_t(len(out)), text, ctypes.c_size_t(len(text)), 1)
    return out.raw[:size]


def seal(key, sequence, start_us, text, kind=PLAIN):
    """A whole datagram."""
    nonce = os.urandom(24)
    head = struct.pack(">IBI", sequence % 2**32, kind, key.id) + nonce
    body = struct.pack(">Q", start_us) + (packed(text) if kind == PACKED else text)
    out = ctypes.create_string_buffer(len(body) + TAG_BYTES)
    SODIUM.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, None, body, ctypes.c_ulonglong(len(body)), head, ctypes.c_ulonglong(len(head)), None,
        nonce, key.bytes)
    return head + out.raw
