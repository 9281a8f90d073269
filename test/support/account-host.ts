import { moneyAccount } from '../../src/ledger/accounts.ts'
import { AccountHostSimulator } from '../../src/simulator/account-host.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import type { TeardownHost } from './database.ts'
import { startTestSwitch, type TestSwitch } from './switch.ts'

const HOUSEHOLDS = 40
const LINK = 'post'
const SEED = 1

/** Most of one transaction, and of a day, that these tests approve without the host. */
export const STAND_IN = { single: 100_000, day: 150_000, count: 4 }

/** A switch whose households have their accounts at a simulated host. */
export interface HostedSwitch extends TestSwitch {
  readonly host: AccountHostSimulator
  /** Waits until the host is asked (or is not). */
  hostIs(up: boolean): Promise<void>
  /** Waits until nothing is queued for the host; the clock goes on meanwhile. */
  drained(): Promise<void>
  /** What the host's record says of an account, beside what it began with. */
  bookedOf(account: string): number
  /** What Mizan's ledger says of it: given back less taken, by what it told the host and what the host said. */
  ledgerOf(householdId: number): Promise<number>
}

/** Starts a host and a switch that asks it; both stop at teardown. */
export async function startHostedSwitch(
  t: TeardownHost,
  options: { readonly households?: number; readonly accountHost?: Readonly<Record<string, unknown>> } = {},
): Promise<HostedSwitch> {
  const { households = HOUSEHOLDS } = options
  const opening = new Map<string, number>()
  for (let id = 1; id <= households; id++) {
    opening.set(String(moneyAccount('postalAccount', id)), demoHousehold(SEED, id).postalPiasters)
  }
  const host = new AccountHostSimulator({ balances: opening })
  await host.start()
  t.teardown(() => host.stop())
  const link = { name: LINK, host: '127.0.0.1', port: host.port, dialect: 'iso87-ascii', timeoutMs: 400 }
  const standIn = {
    programmes: ['postal', 'bread', 'ration', 'health'],
    transactionTypes: ['00', '01'],
    perTransactionPiasters: STAND_IN.single,
    perDayPiasters: STAND_IN.day,
    perDayCount: STAND_IN.count,
  }
  const world = await startTestSwitch(t, {
    households,
    config: {
      demo: { enabled: true, households, remoteEvery: 1 },
      outbound: [{ ...link, echoIntervalMs: 0, backoff: { minMs: 20, maxMs: 50 } }],
      accountHost: {
        link: LINK,
        timeoutMs: 400,
        probeMs: 25,
        openAfter: 3,
        closeAfter: 2,
        standIn: [standIn],
        ...options.accountHost,
      },
      forwarding: { backoff: { minMs: 20, maxMs: 50 }, ratePerSecond: 1_000 },
    },
  })
  const hosted: HostedSwitch = Object.assign(world, {
    host,
    hostIs: (up: boolean) => until(async () => (await hostUp(world)) === up),
    drained: () =>
      until(async () => {
        const { rows } = await world.client.query<{ waiting: string }>(
          "select count(*) as waiting from outbound_message where state in ('waiting', 'sent')",
        )
        if (Number(rows[0]?.waiting) === 0) return true
        world.clock.advance(100)
        return false
      }),
    bookedOf: (account: string) => host.balance(account) - (opening.get(account) ?? 0),
    ledgerOf: async (householdId: number) => {
      const { rows } = await world.client.query<{ change: string }>(
        `select coalesce(sum(case when debit = $1 then amount else -amount end), 0) as change
         from transfer where kind in (30, 31) and $1 in (debit, credit)`,
        [moneyAccount('postalAccount', householdId)],
      )
      return Number(rows[0]?.change)
    },
  })
  await hosted.hostIs(true)
  return hosted
}

async function hostUp({ ports }: TestSwitch): Promise<boolean> {
  const page = await (await fetch(`http://127.0.0.1:${ports.http}/metrics`)).text()
  return /^mizan_account_host_up 1$/m.test(page)
}

/** Waits until something is so. */
export async function until(holds: () => Promise<boolean>, longestMs = 60_000): Promise<void> {
  const deadlineMs = performance.now() + longestMs
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error('it did not become so in time')
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}
