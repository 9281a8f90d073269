import { check } from 'k6'
import exec from 'k6/execution'
import { Counter, Trend } from 'k6/metrics'
import type { Options } from 'k6/options'
import { clearTimeout, setTimeout } from 'k6/timers'
import { Socket } from 'k6/x/tcp'
import { framed, messageText, readAnswer, TextFramer, variable } from './iso8583-text.ts'

/**
 * Balance inquiries over one ISO 8583 link per virtual user, several under way at a time, against a running demo switch.
 * `k6 run -e MIZAN_WORLD=var/demo/world.json -e MIZAN_PORT_ASCII=8583 bench/k6/iso8583.ts` (from the project's folder)
 */
interface World {
  readonly households: readonly {
    readonly case?: string
    readonly card: { readonly pan: string; readonly expiry: string }
  }[]
  readonly outlets: readonly {
    readonly acceptorId: string
    readonly category: string
    readonly terminals: readonly string[]
  }[]
  readonly acquirers: readonly { readonly id: string }[]
}

const host = __ENV.MIZAN_HOST ?? '127.0.0.1'
const port = Number(__ENV.MIZAN_PORT_ASCII ?? 8583)
const world = JSON.parse(open(__ENV.MIZAN_WORLD ?? '../../var/demo/world.json')) as World
const REQUESTS_PER_LINK = Number(__ENV.REQUESTS ?? 500)
const UNDER_WAY = 16
const ANSWER_WITHIN_MS = 10_000
const STAN_SPAN = 1_000_000

const answerTime = new Trend('iso8583_answer_time', true)
const answers = new Counter('iso8583_answers')
const refused = new Counter('iso8583_refused')

export const options: Options = {
  scenarios: {
    links: { executor: 'per-vu-iterations', vus: Number(__ENV.LINKS ?? 8), iterations: 1, maxDuration: '2m' },
  },
  thresholds: { iso8583_answer_time: ['p(99)<50'], iso8583_refused: ['count==0'], checks: ['rate==1'] },
}

const cards = world.households.filter((household) => household.case === undefined).map((household) => household.card)
const outlet = world.outlets.find((one) => one.category === 'grocer')

function inquiry(stan: number): ArrayBuffer {
  const card = cards[(stan * 7_919) % cards.length]
  const now = new Date().toISOString()
  const time = now.slice(11, 19).replaceAll(':', '')
  const date = now.slice(5, 10).replace('-', '')
  const digits = String(stan).padStart(6, '0')
  const text = messageText('0200', {
    2: variable(2, card?.pan ?? ''),
    3: '310000',
    4: '0'.repeat(12),
    7: date + time,
    11: digits,
    12: time,
    13: date,
    14: card?.expiry ?? '',
    32: variable(2, world.acquirers[0]?.id ?? ''),
    37: `K6${String(exec.vu.idInTest).padStart(4, '0')}${digits}`,
    41: (outlet?.terminals[0] ?? '').padEnd(8),
    42: (outlet?.acceptorId ?? '').padEnd(15),
    49: '818',
  })
  return framed(text)
}

/** One link: connects, keeps a window of requests under way, and closes when all are answered. */
export default async function link(): Promise<void> {
  const socket = new Socket()
  const framer = new TextFramer()
  const sentMs = new Map<string, number>()
  const first = exec.vu.idInTest * 10_000
  let sent = 0
  let answered = 0
  const send = async () => {
    const stan = (first + sent) % STAN_SPAN
    sent += 1
    sentMs.set(String(stan).padStart(6, '0'), Date.now())
    await socket.write(inquiry(stan))
  }
  const done = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${answered} of ${sent} answered`)), ANSWER_WITHIN_MS)
    socket.on('error', (error) => reject(new Error(String(error))))
    socket.on('data', (data) => {
      for (const text of framer.push(data)) {
        const { mti, stan, responseCode } = readAnswer(text)
        answerTime.add(Date.now() - (sentMs.get(stan) ?? 0))
        answers.add(1)
        answered += 1
        if (!check(responseCode, { 'the balance is given': (code) => mti === '0210' && code === '00' })) refused.add(1)
        if (sent < REQUESTS_PER_LINK) void send()
      }
      if (answered < REQUESTS_PER_LINK) return
      clearTimeout(timer)
      resolve()
    })
  })
  await socket.connect(port, host)
  for (let n = 0; n < Math.min(UNDER_WAY, REQUESTS_PER_LINK); n++) await send()
  await done
  socket.destroy()
}
