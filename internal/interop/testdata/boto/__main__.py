"""Drives a hub with boto3: python testdata/boto URL CA-FILE."""

import sys

import control  # noqa: F401 (its checks register themselves, as the next ones do)
import data  # noqa: F401
import groups  # noqa: F401
import rules  # noqa: F401
import search  # noqa: F401
import wire

wire.run(wire.Aws(sys.argv[1], sys.argv[2]))
