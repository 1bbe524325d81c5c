"""The AWS CLI for many commands: does what the program aws does, without the second that
it takes to start each time. A command is a line of JSON on stdin, the arguments; the
answer is one on stdout: exit code, what was printed and what was complained of."""

import contextlib
import io
import json
import sys

from awscli import clidriver

answers = sys.stdout
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = clidriver.create_clidriver().main(json.loads(line))
        except SystemExit as e:
            code = e.code
    print(json.dumps({'code': code, 'out': out.getvalue(), 'err': err.getvalue()}), file=answers, flush=True)
