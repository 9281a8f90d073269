import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Clock, civilDate } from '../../src/calendar.ts'
import { loadConfig } from '../../src/config/config.ts'
import { type Answer, Counterparty, type Sent } from '../../src/simulator/counterparty.ts'
import { readWorld, type World, type WorldHousehold, type WorldOutlet } from '../../src/simulator/demo-files.ts'
import { type LedgerAuthorization, readAuthorizations } from '../../src/simulator/ledger-reader.ts'
import type { TestTerminal } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { startSwitch } from '../../src/switch.ts'
import { createTestDatabase, type TeardownHost } from './database.ts'

/** A clock that a test moves. */
export class ManualClock implements Clock {
  nowMs: number

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  now(): number {
    return this.nowMs
  }

  advance(ms: number): void {
    this.nowMs += ms
  }
}

/** Options of {@link startTestSwitch}. */
export interface TestSwitchOptions {
  /** Where the clock stands at the start. @default noon in Cairo on 2026-11-11, the middle of a month of 30 days */
  readonly at?: string
  /** Configuration file, laid over that of the tests. */
  readonly config?: Readonly<Record<string, unknown>>
  /** @default 200 */
  readonly households?: number
  /** Signs the messages of the links that are open from the start, for a configuration that requires it. */
  readonly signed?: boolean
  /** Changes master data before the switch reads it. */
  readonly arrange?: (client: Client, world: World) => Promise<unknown>
}

/** A real switch on a database of its own, with a clock that the test moves. */
export interface TestSwitch {
  readonly ports: { readonly ascii: number; readonly visa: number; readonly bcd: number; readonly http: number }
  readonly databaseUrl: string
  /** Data folder. */
  readonly varDir: string
  /** As the owner of the database: for reading, and for arranging what no message can. */
  readonly client: Client
  readonly clock: ManualClock
  readonly world: World
  /** An open link of each kind. */
  readonly pos: Counterparty
  readonly atm: Counterparty
  readonly visa: Counterparty
  open(rail: keyof typeof rails, options?: { signOn?: boolean; mak?: string }): Promise<Counterparty>
  /** A household that no other call has returned. */
  household(wanted?: { members?: number; governorate?: string; case?: string }): WorldHousehold
  /** Its terminal of the first outlet of a category in a governorate. */
  place(category: WorldOutlet['category'], governorate: string): TestTerminal
  /** What a message left in the ledger; undefined when nothing. */
  ledger(sent: Sent): Promise<LedgerAuthorization | undefined>
  /**
   * Stops the switch and starts it again on the same database; links are opened anew.
   * @param meanwhile what is done while none runs
   */
  restart(meanwhile?: () => Promise<unknown>): Promise<void>
}

const NOON = '2026-11-11T12:00:00+02:00'
/** A key for tests and nothing else. */
export const MASTER_KEY = 'a5'.repeat(32)

/** Starts a switch for a test file and stops it at teardown, after checking what must always hold. */
export async function startTestSwitch(t: TeardownHost, options: TestSwitchOptions = {}): Promise<TestSwitch> {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-switch-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'config.json')
  const demo = { enabled: true, households: options.households ?? 200 }
  // Jobs cost each start a schema of their own; a test that is about them turns them on.
  // Links of tests wait for their answers before a stop: nobody's last request is on its way.
  const quiet = { jobs: { enabled: false }, log: { level: 'silent' }, shutdown: { quietMs: 10 } }
  writeFileSync(file, JSON.stringify({ varDir: 'var', demo, ...quiet, ...options.config }))
  const env = {
    DATABASE_URL: url,
    MIZAN_MASTER_KEY: MASTER_KEY,
    MIZAN_PORT_ASCII: '0',
    MIZAN_PORT_BCD: '0',
    MIZAN_PORT_VISA: '0',
    MIZAN_PORT_HTTP: '0',
  }
  const config = loadConfig({ env, file })
  const clock = new ManualClock(Date.parse(options.at ?? NOON))
  const started = new RunningSwitch(config, clock, url, options.signed === true)
  await started.start()
  t.teardown(() => started.stop())
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  started.client = client
  started.world = readWorld(config.varDir)
  if (options.arrange !== undefined) {
    await options.arrange(client, started.world)
    await started.stop()
    await started.start()
  }
  await started.openLinks()
  return started
}

class RunningSwitch implements TestSwitch {
  readonly databaseUrl: string
  readonly clock: ManualClock
  readonly #config: ReturnType<typeof loadConfig>
  readonly #used = new Set<number>()
  readonly #signed: boolean
  #running: Awaited<ReturnType<typeof startSwitch>> | undefined
  #opened: Counterparty[] = []
  #links: Record<keyof typeof rails, Counterparty> | undefined
  #stan = 0
  client!: Client
  world!: World

  constructor(config: ReturnType<typeof loadConfig>, clock: ManualClock, databaseUrl: string, signed: boolean) {
    this.#signed = signed
    this.#config = config
    this.clock = clock
    this.databaseUrl = databaseUrl
  }

  async start(): Promise<void> {
    this.#running = await startSwitch(this.#config, 'test', this.clock)
  }

  async stop(): Promise<void> {
    for (const counterparty of this.#opened) counterparty.close()
    this.#opened = []
    await this.#running?.stop('test')
  }

  async openLinks(): Promise<void> {
    const signed = this.#signed ? { mak: this.world.keys.mak } : {}
    const [pos, atm] = [await this.open('pos', signed), await this.open('atm', signed)]
    this.#links = { pos, atm, visa: await this.open('visa') }
  }

  async restart(meanwhile?: () => Promise<unknown>): Promise<void> {
    await this.stop()
    await meanwhile?.()
    await this.start()
    await this.openLinks()
  }

  get varDir(): string {
    return this.#config.varDir
  }

  get ports(): TestSwitch['ports'] {
    return present(this.#running).ports
  }

  get pos(): Counterparty {
    return present(this.#links).pos
  }

  get atm(): Counterparty {
    return present(this.#links).atm
  }

  get visa(): Counterparty {
    return present(this.#links).visa
  }

  async open(name: keyof typeof rails, options: { signOn?: boolean; mak?: string } = {}): Promise<Counterparty> {
    const rail = rails[name]
    // The clock stands still, so two links of one acquirer must not count from the same STAN.
    this.#stan += 10_000
    const port = this.ports[rail.listener]
    const { clock } = this
    const counterparty = await Counterparty.connect({
      rail,
      host: '127.0.0.1',
      port,
      clock,
      firstStan: this.#stan,
      ...options,
    })
    this.#opened.push(counterparty)
    return counterparty
  }

  household(wanted: { members?: number; governorate?: string; case?: string } = {}): WorldHousehold {
    const found = this.world.households.find(
      (one) =>
        !this.#used.has(one.id) &&
        one.case === wanted.case &&
        (wanted.members === undefined || one.members === wanted.members) &&
        (wanted.governorate === undefined || one.governorate === wanted.governorate),
    )
    if (found === undefined) throw new Error(`the test world has no such household left: ${JSON.stringify(wanted)}`)
    // A special household is one of its kind: tests share it.
    if (found.case === undefined) this.#used.add(found.id)
    return found
  }

  place(category: WorldOutlet['category'], governorate: string): TestTerminal {
    const outlet = this.world.outlets.find((one) => one.category === category && one.governorate === governorate)
    const terminalId = outlet?.terminals[0]
    if (outlet === undefined || terminalId === undefined) throw new Error(`no ${category} in ${governorate}`)
    return { acceptorId: outlet.acceptorId, terminalId, mcc: outlet.mcc }
  }

  async ledger(sent: Sent): Promise<LedgerAuthorization | undefined> {
    const rows = await readAuthorizations(this.client, [sent.stamps])
    return rows.find((row) => row.mti.slice(0, 2) === sent.mti.slice(0, 2))
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test switch does not run')
  return value
}

/** Available figure of a DE54 group; undefined when the answer has none. */
export function available(answer: Answer, accountType: string, amountType = '02'): number | undefined {
  return answer.amounts.find((group) => group.accountType === accountType && group.amountType === amountType)?.amount
}

/** Entries of a ledger row in short: `wallet 91 -500`, debits first within a transfer. */
export function entriesOf(row: LedgerAuthorization | undefined): string[] {
  return (row?.entries ?? []).map((entry) => `${entry.kind}: ${entry.accountName} ${entry.amount}`)
}

/** Civil date of a clock, as tests write it. */
export function today(clock: Clock): number {
  return civilDate(clock.now())
}
