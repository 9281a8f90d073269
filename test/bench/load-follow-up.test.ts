import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { asRepeat, type FollowUpHost, LoadFollowUps } from '../../src/simulator/load-follow-up.ts'
import type { LoadLink } from '../../src/simulator/load-link.ts'

const PURCHASE = Buffer.from('\x00\x040200', 'latin1')
const REVERSAL = Buffer.from('\x00\x040400', 'latin1')
const AFTER_MS = 60

/** A link that only notes what it is given. */
function noted() {
  const sent: string[] = []
  let resets = 0
  const link = {
    dialect: 'iso87-ascii' as const,
    connected: true,
    lastReceivedMs: 0,
    send: (frame: Buffer) => sent.push(frame.toString('latin1').slice(2)),
    reset: () => {
      resets += 1
    },
  }
  return { link: link as unknown as LoadLink, sent, resets: () => resets }
}

function followed(t: Test, repeats: number) {
  const line = noted()
  let follow: LoadFollowUps | undefined
  const reversed: number[] = []
  const host: FollowUpHost = {
    linkOf: () => line.link,
    reverse: (original, link) => {
      reversed.push(original)
      follow?.sent(100 + original, link, REVERSAL)
      return 100 + original
    },
    needsReversal: (sequence) => sequence < 10,
  }
  const made = new LoadFollowUps({ repeatAfterMs: AFTER_MS, repeats }, host)
  follow = made
  t.teardown(() => made.close())
  return { ...line, made, reversed }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tried = 0; tried < 3_000 && !condition(); tried++) await sleep(10)
}

t.test('a repeat is the same message with xxx1', async (t) => {
  t.equal(asRepeat('iso87-ascii', PURCHASE).toString('latin1').slice(2), '0201')
  const bcd = Buffer.from('000760000100020200', 'hex')
  t.equal(asRepeat('iso87-bcd', bcd).toString('hex'), '000760000100020201')
})

t.test(
  'without an answer a request is repeated, then reversed, and the reversal repeated until it is answered',
  async (t) => {
    const { made, link, sent, reversed, resets } = followed(t, 1)
    made.sent(1, link, PURCHASE)
    await until(() => sent.includes('0401'))
    t.strictSame(sent.slice(0, 2), ['0201', '0401'])
    t.strictSame(reversed, [1])
    t.ok(resets() >= 1, 'a link that is silent is given up')
    t.equal(made.answered(101, true), false, 'a refused reversal is not answered')
    t.equal(made.open, 1)
    t.equal(made.answered(101, false), true)
    t.equal(made.open, 0)
    t.equal(made.reversalOf.get(1), 101)
  },
)

t.test('a refusal is final for a request that went out once, and reverses one that went out twice', async (t) => {
  const { made, link, sent, reversed } = followed(t, 5)
  made.sent(1, link, PURCHASE)
  t.equal(made.answered(1, true), true)
  t.equal(made.open, 0)
  made.sent(2, link, PURCHASE)
  await until(() => sent.length > 0)
  t.equal(made.answered(2, true), false)
  await until(() => reversed.length > 0)
  t.strictSame(reversed, [2])
  t.equal(made.answered(2, false), true, 'an approval that comes all the same is taken')
  made.sent(12, link, PURCHASE)
  t.equal(made.answered(12, true), true, 'an inquiry is done with')
})
