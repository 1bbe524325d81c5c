"""A backend that wants something of a thing's shadow and waits until the device has it:
python testdata/boto/backend.py URL CA-FILE THING STATE, the latter a JSON object."""

import json
import sys
import time

import wire

url, ca, thing, state = sys.argv[1:]
wanted = json.loads(state)
data = wire.Aws(url, ca).data
data.update_thing_shadow(thingName=thing, payload=json.dumps({'state': {'desired': wanted}}))
end = time.monotonic() + 20
while True:
    is_ = json.loads(data.get_thing_shadow(thingName=thing)['payload'].read())
    if is_['state'].get('reported') == wanted and 'delta' not in is_['state']:
        print(is_['version'])
        break
    assert time.monotonic() < end, is_
    time.sleep(.1)
