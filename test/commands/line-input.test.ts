import { EventEmitter } from 'node:events'
import t from 'tap'
import { hexOfLine, LineInput } from '../../src/commands/line-input.ts'

/** A standard stream as the program sees it. */
class FakeStream extends EventEmitter {
  readonly isTTY: boolean
  raw = false

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  setRawMode(on: boolean): void {
    this.raw = on
  }

  resume(): void {}

  pause(): void {}

  type(text: string): void {
    this.emit('data', Buffer.from(text))
  }
}

function open(isTTY: boolean): { stream: FakeStream; input: LineInput; shown: () => string } {
  const stream = new FakeStream(isTTY)
  let shown = ''
  const input = new LineInput(stream, (text) => {
    shown += text
  })
  return { stream, input, shown: () => shown }
}

t.test('a person: what is secret is not shown', async (t) => {
  const { stream, input, shown } = open(true)
  t.equal(stream.raw, true)
  const name = input.ask('name: ')
  stream.type('amalx\u007f\r')
  t.equal(await name, 'amal')
  const secret = input.askSecret('secret: ')
  stream.type('pass')
  stream.type('word\u0015word\r')
  t.equal((await secret).toString(), 'word')
  t.equal(shown(), 'name: amalx\b \b\nsecret: \n')
  input.close()
  t.equal(stream.raw, false)
  t.equal(stream.listenerCount('data'), 0)
})

t.test('a person who gives up', async (t) => {
  for (const key of ['\u0003', '\u0004']) {
    const { stream, input } = open(true)
    const answer = input.askSecret('secret: ')
    stream.type(`half${key}`)
    await t.rejects(answer, { code: 'BAD_INPUT' })
    t.equal(input.open, false, 'nobody is asked again')
    input.close()
  }
})

t.test('lines of a pipe, whatever the pieces they come in', async (t) => {
  const { stream, input, shown } = open(false)
  const first = input.ask('name: ')
  stream.type('amal\nse')
  t.equal(await first, 'amal')
  stream.type('cret\nlast')
  t.equal((await input.askSecret('secret: ')).toString(), 'secret')
  const last = input.ask('rest: ')
  stream.emit('end')
  t.equal(await last, 'last', 'a last line may lack its end')
  await t.rejects(input.ask('more: '), { code: 'BAD_INPUT', message: /the input has ended/ })
  t.equal(input.open, false)
  t.equal(shown(), '', 'nobody is there to be asked')
  input.close()
})

t.test('a pipe that ended before it was asked', async (t) => {
  const { stream, input } = open(false)
  stream.type('only')
  stream.emit('end')
  t.equal(await input.ask(''), 'only')
  await t.rejects(input.ask(''), { code: 'BAD_INPUT' })
  input.close()
})

t.test('a line is cut where it would grow without end', async (t) => {
  const { stream, input } = open(false)
  const answer = input.askSecret('')
  stream.type('x'.repeat(5_000))
  stream.type('\n')
  t.equal((await answer).length, 1_024)
  input.close()
})

t.test('bytes that were read are wiped', async (t) => {
  const { stream, input } = open(false)
  const answer = input.askSecret('')
  const chunk = Buffer.from('secret\n')
  stream.emit('data', chunk)
  t.equal((await answer).toString(), 'secret')
  t.ok(chunk.every((byte) => byte === 0))
  input.close()
})

t.test('hex of a line', async (t) => {
  const hex = (text: string) => hexOfLine(Buffer.from(text)).toString('hex')
  t.equal(hex('0123 4567 89aB CDef'), '0123456789abcdef')
  t.equal(hex(''), '')
  for (const text of ['012', '0g', '0x12', '٠١']) t.throws(() => hex(text), { code: 'BAD_INPUT' }, text)
})
