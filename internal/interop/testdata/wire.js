'use strict'
// The line protocol between a Go test and the JavaScript clients it drives: a JSON
// command a line on stdin, a JSON event a line on stdout. Binary data is base64.
const readline = require('node:readline')

// Buffers and typed arrays become base64 and dates seconds, whatever object they are in.
function plain (value) {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Date) return value.getTime() / 1000
  if (value.byteLength === 0) return '' // aws-crt makes it a detached buffer
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64')
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
}

function emit (event) {
  process.stdout.write(JSON.stringify(plain(event)) + '\n')
}

// serve runs the functions of ops by name; each gets the command, and what it returns
// or throws is the answer.
function serve (ops) {
  readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const command = JSON.parse(line)
    try {
      emit({ event: 'answer', id: command.id, result: (await ops[command.op](command)) ?? null })
    } catch (err) {
      emit({ event: 'answer', id: command.id, error: String(err.message || err), code: err.code })
    }
  }).on('close', () => process.exit(0))
}

module.exports = { emit, serve }
