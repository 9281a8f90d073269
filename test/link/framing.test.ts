import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  createFramer,
  type Framer,
  type FramingName,
  frameHeaderInto,
  framings,
  writeFrame,
} from '../../src/link/framing.ts'

const names: FramingName[] = ['len2', 'ascii4', 'visa']

function collect(framer: Framer, chunks: Buffer[]): { frames: Buffer[]; fault: string | undefined } {
  const frames: Buffer[] = []
  let fault: string | undefined
  for (const chunk of chunks) fault = framer.push(chunk, (frame) => frames.push(frame))?.kind
  return { frames, fault }
}

/** Cuts a stream at the given points, whatever their order. */
function cut(stream: Buffer, points: number[]): Buffer[] {
  const at = [...new Set(points.map((point) => point % (stream.length + 1)))].sort((a, b) => a - b)
  return [...at, stream.length].map((end, index) => stream.subarray(index === 0 ? 0 : at[index - 1], end))
}

const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 20 })

for (const name of names) {
  t.test(`${name}: frames come out as they went in, however the stream is cut`, async () => {
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(), { maxLength: 60 }), (list, points) => {
        const stream = Buffer.concat(list.map((body) => writeFrame(name, body)))
        const framer = createFramer(name, framings[name].maxFrameBytes)
        const { frames, fault } = collect(framer, cut(stream, points))
        assert.equal(fault, undefined)
        assert.equal(framer.partial, false)
        assert.deepEqual(
          frames.map((frame) => frame.toString('hex')),
          list.map((body) => Buffer.from(body).toString('hex')),
        )
      }),
      { numRuns: 200 },
    )
  })

  t.test(`${name}: one byte at a time, up to the limit`, async (t) => {
    const limit = framings[name].maxFrameBytes
    const list = [Buffer.from('a'), Buffer.alloc(limit, 0x5a), Buffer.from('last')]
    const stream = Buffer.concat(list.map((body) => writeFrame(name, body)))
    const { frames, fault } = collect(
      createFramer(name, limit),
      [...stream].map((byte) => Buffer.from([byte])),
    )
    t.equal(fault, undefined)
    t.strictSame(frames, list)
  })

  t.test(`${name}: a frame over the limit is a fault, and nothing follows it`, async (t) => {
    const framer = createFramer(name, 100)
    const stream = Buffer.concat([writeFrame(name, Buffer.from('ok')), writeFrame(name, Buffer.alloc(101))])
    const { frames, fault } = collect(framer, [stream])
    t.equal(fault, 'frame-oversize')
    t.equal(frames.length, 1)
    t.equal(framer.push(writeFrame(name, Buffer.from('more')), () => t.fail('no frame'))?.kind, 'frame-oversize')
    t.equal(framer.release(() => t.fail('no frame'))?.kind, 'frame-oversize')
  })

  t.test(`${name}: hold stops within a chunk; release goes on, in order`, async () => {
    fc.assert(
      fc.property(
        bodies,
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.integer({ min: 1, max: 3 }),
        (list, points, every) => {
          const stream = Buffer.concat(list.map((body) => writeFrame(name, body)))
          const framer = createFramer(name, framings[name].maxFrameBytes)
          const frames: string[] = []
          const onFrame = (frame: Buffer) => {
            frames.push(frame.toString('hex'))
            if (frames.length % every === 0) framer.hold()
          }
          for (const chunk of cut(stream, points)) framer.push(chunk, onFrame)
          while (framer.heldBytes > 0) framer.release(onFrame)
          assert.deepEqual(
            frames,
            list.map((body) => Buffer.from(body).toString('hex')),
          )
        },
      ),
      { numRuns: 100 },
    )
  })
}

t.test('length 0 is a keep-alive on visa and a fault elsewhere', async (t) => {
  let keepAlives = 0
  const visa = createFramer('visa', 2_048, { onKeepAlive: () => (keepAlives += 1) })
  const stream = Buffer.concat([Buffer.alloc(4), writeFrame('visa', Buffer.from('m')), Buffer.alloc(4)])
  t.equal(collect(visa, [stream]).frames.length, 1)
  t.equal(keepAlives, 2)
  t.equal(collect(createFramer('len2', 4_096), [Buffer.alloc(2)]).fault, 'frame-zero-length')
  t.equal(collect(createFramer('ascii4', 4_096), [Buffer.from('0000')]).fault, 'frame-zero-length')
})

t.test('bytes that are no header are a fault', async (t) => {
  t.equal(collect(createFramer('ascii4', 4_096), [Buffer.from('GET / HTTP/1.1')]).fault, 'frame-garbage')
  t.equal(collect(createFramer('ascii4', 4_096), [Buffer.from('01 5')]).fault, 'frame-garbage')
  t.equal(collect(createFramer('ascii4', 4_096), [Buffer.from('-001')]).fault, 'frame-garbage')
  t.equal(collect(createFramer('visa', 2_048), [Buffer.from([0, 10, 0, 1])]).fault, 'frame-garbage')
  t.equal(collect(createFramer('visa', 2_048), [Buffer.from([0, 10, 1, 0])]).fault, 'frame-garbage')
  t.equal(collect(createFramer('len2', 4_096), [Buffer.from('GET / HTTP/1.1')]).fault, 'frame-oversize')
})

t.test('visa session control frames are skipped and counted, with or without a body', async (t) => {
  const controls: number[] = []
  const framer = createFramer('visa', 2_048, { onControlFrame: (length) => controls.push(length) })
  const control = Buffer.concat([Buffer.from([0, 6, 0, 0x20]), Buffer.from('absent')])
  const stream = Buffer.concat([control, writeFrame('visa', Buffer.from('one')), Buffer.from([0, 0, 0, 0x2f]), control])
  for (const byte of stream.subarray(0, -3)) framer.push(Buffer.from([byte]), (frame) => t.equal(`${frame}`, 'one'))
  t.strictSame(controls, [6, 0, 6])
  t.equal(framer.partial, true, 'the last one is not complete')
  framer.push(stream.subarray(-3), () => t.fail('no frame'))
  t.equal(framer.partial, false)
  t.equal(framer.push(Buffer.from([0xff, 0xff, 0, 0x20]), () => {})?.kind, 'frame-oversize')
})

t.test('random bytes never throw, and never yield a frame over the limit', async () => {
  for (const name of names) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.array(fc.nat(), { maxLength: 10 }), (bytes, points) => {
        const { frames } = collect(createFramer(name, 64), cut(Buffer.from(bytes), points))
        assert.ok(frames.every((frame) => frame.length > 0 && frame.length <= 64))
      }),
      { numRuns: 100 },
    )
  }
})

t.test('headers are as documented, and lengths that do not fit are refused', async (t) => {
  t.equal(writeFrame('len2', Buffer.alloc(0x102)).subarray(0, 2).toString('hex'), '0102')
  t.equal(writeFrame('ascii4', Buffer.alloc(37)).subarray(0, 4).toString(), '0037')
  t.equal(writeFrame('visa', Buffer.alloc(0x102)).subarray(0, 4).toString('hex'), '01020000')
  t.throws(() => frameHeaderInto(framings.ascii4, Buffer.alloc(4), 0, 10_000), { code: 'ASSERTION_FAILED' })
  t.throws(() => createFramer('ascii4', 10_000), { code: 'ASSERTION_FAILED' })
  t.throws(() => createFramer('len2', 0), { code: 'ASSERTION_FAILED' })
})

t.test('work grows with the bytes, not with their square', async (t) => {
  const body = Buffer.alloc(4_096, 1)
  const stream = Buffer.concat(Array.from({ length: 500 }, () => writeFrame('len2', body)))
  const framer = createFramer('len2', 4_096)
  let frames = 0
  // Two megabytes in pieces of 7 bytes: a framer that copies its buffer per piece would move gigabytes.
  const started = process.cpuUsage()
  for (let at = 0; at < stream.length; at += 7) framer.push(stream.subarray(at, at + 7), () => (frames += 1))
  t.equal(frames, 500)
  t.ok(process.cpuUsage(started).user < 2_000_000)
})
