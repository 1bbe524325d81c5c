"""The frame of the checks: clients of boto3, and a report a check on stdout.

A report is a line of JSON: the check, the operations it has called, and the error if
there was one, which begins with the operation that was called last.
"""

import json
import os
import traceback

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CHECKS = []


def check(f):
    """Makes a function a check. It gets an Aws and fails with any exception."""
    CHECKS.append(f)
    return f


class Aws:
    """boto3's clients for one hub, and what was called with them."""

    def __init__(self, endpoint, ca):
        self.endpoint, self.ca = endpoint, ca
        self.called = []
        session = boto3.Session(os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'])
        self.iot, self.data = self.client('iot', session), self.client('iot-data', session)

    def client(self, service, session):
        """Makes a client that neither retries nor waits for long."""
        config = Config(retries={'total_max_attempts': 1}, connect_timeout=10, read_timeout=30)
        client = session.client(service, 'eu-central-1', endpoint_url=self.endpoint, verify=self.ca, config=config)
        client.meta.events.register('before-parameter-build', lambda model, **_: self.called.append(model.name))
        return client


def run(aws):
    """Runs all checks."""
    for f in CHECKS:
        aws.called.clear()
        error = ''
        try:
            f(aws)
        except Exception:  # whatever it is, it is reported
            error = f'{aws.called[-1] if aws.called else "no operation"}: {traceback.format_exc()}'
        print(json.dumps({'check': f.__name__, 'operations': sorted(set(aws.called)), 'error': error}), flush=True)


def equal(got, want):
    assert got == want, f'got {got!r}, expected {want!r}'


def has(got, **want):
    """Compares some members of an answer."""
    for k, v in want.items():
        assert k in got, f'no {k} in {got!r}'
        assert got[k] == v, f'{k} is {got[k]!r}, expected {v!r}'


def fails(exception, call, **args):
    """Calls an operation that has to fail with an exception of the model's; returns its answer."""
    try:
        answer = call(**args)
    except exception as e:
        assert e.response['Error']['Message'], 'the error has no message'
        assert e.response['ResponseMetadata']['RequestId'], 'the error has no request id'
        return e.response
    except ClientError as e:
        raise AssertionError(f'expected {exception.__name__}, got {type(e).__name__} ({e})') from e
    raise AssertionError(f'expected {exception.__name__}, got {answer!r}')


def pages(client, operation, member, size=2, **args):
    """Collects a list with its paginator, in pages of the given size."""
    found, seen = [], 0
    paginator = client.get_paginator(operation)
    for page in paginator.paginate(PaginationConfig={'PageSize': size}, **args):
        assert len(page[member]) <= size, f'a page of {len(page[member])}, expected at most {size}'
        found += page[member]
        seen += 1
    assert seen >= len(found) / size, f'{seen} pages of {size} for {len(found)}'
    return found
