import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../errors.ts'
import { type ChipCounters, storedChipCounters } from './chip-counters.ts'
import type { TestCard } from './credentials.ts'
import type { DemoKeys } from './demo-keys.ts'

/** Card of `demo/world.json`. */
export interface WorldCard extends TestCard {
  readonly psn: string
  readonly serviceCode: string
  readonly pin: string
  readonly track2Chip: string
  readonly pvki: number
  readonly pvv: string
  /** Of PAN and expiry as YYMM. */
  readonly cvv2: string
}

/** Household of `demo/world.json` (interfaces.md, "Demo world"). */
export interface WorldHousehold {
  readonly id: number
  readonly case?: string
  readonly governorate: string
  readonly members: number
  readonly drawAheadDays: number
  readonly card: WorldCard
  /** Of one that is held at the account host, the balance there when the world was made. */
  readonly postalAccount: { readonly id: string; readonly balance: number; readonly heldAt?: 'host' }
  /** As of the day the world was made. */
  readonly wallets: Readonly<Record<string, number>>
}

/** Outlet of `demo/world.json`. */
export interface WorldOutlet {
  readonly acceptorId: string
  readonly category: 'bakery' | 'grocer' | 'health' | 'shop' | 'atm'
  readonly mcc: string
  readonly governorate: string
  readonly terminals: readonly string[]
}

/** The demo world as simulators see it. */
export interface World {
  readonly households: readonly WorldHousehold[]
  readonly outlets: readonly WorldOutlet[]
  readonly keys: DemoKeys
  /** What the simulated chips have counted so far. */
  readonly counters: ChipCounters
}

/** Where a running switch listens. */
export interface RunningListeners {
  readonly ascii: number
  readonly visa: number
  readonly bcd: number
  readonly http: number
  readonly pid: number
}

/**
 * Reads where the switch of a data folder listens.
 * @throws MizanError NOT_FOUND when none runs, with the way out
 */
export function readListeners(varDir: string): RunningListeners {
  const listeners = readJson<RunningListeners>(path.join(varDir, 'run', 'listeners.json'))
  if (listeners !== undefined) return listeners
  const wayOut = 'start one with `npm start`, or name its data folder with --var or MIZAN_VAR'
  throw new MizanError('NOT_FOUND', `no switch runs in ${varDir}: ${wayOut}`)
}

/**
 * Reads the demo world that a switch left in its data folder.
 * @throws MizanError NOT_FOUND when there is none, with the way out
 */
export function readWorld(varDir: string): World {
  const world = readJson<Omit<World, 'counters'>>(path.join(varDir, 'demo', 'world.json'))
  if (world !== undefined) return { ...world, counters: storedChipCounters(varDir) }
  const wayOut = 'a switch makes it when it first starts on an empty database with demo.enabled'
  throw new MizanError('NOT_FOUND', `${varDir} has no demo world: ${wayOut}`)
}

function readJson<T>(file: string): T | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MizanError('BAD_INPUT', `${file} cannot be read: ${describeError(error)}`, { cause: error })
  }
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${file} is not JSON`, { cause })
  }
}
