"""Drives who may do what with boto3: python testdata/boto/identity.py URL CA-FILE, with
the keys of an administrator in the environment, and those of somebody whose policy allows
to read (READER_KEY_ID, READER_SECRET_KEY)."""

import sys

import certificates  # noqa: F401 (its checks register themselves, as the next ones do)
import policies  # noqa: F401
import provisioning  # noqa: F401
import wire

wire.run(wire.Aws(sys.argv[1], sys.argv[2]))
