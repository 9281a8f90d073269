import { loadConfig } from '../src/config/config.ts'
import type { MixName } from '../src/simulator/load-mix.ts'

/** What a request of the load brings to be verified: nothing, or chip data, the chip's track 2, and a PIN. */
export const cryptoKinds = ['none', 'chip-pin'] as const
export type CryptoKind = (typeof cryptoKinds)[number]

/** Options of the benchmarks, checked. */
export interface BenchOptions {
  readonly rate: number
  readonly seconds: number
  readonly warmup: number
  readonly mix: MixName
  readonly crypto: CryptoKind
  readonly cards: number
  readonly seed: number
  /** Links for each dialect. */
  readonly links: number
  readonly json: boolean
  readonly reload: boolean
  readonly verify: boolean
  /** Whether the switch writes a CPU profile. */
  readonly cpuProf: boolean
  readonly config?: string
  /** Folder of the bench; default var/bench. */
  readonly varDir?: string
}

/** Lanes of a database for the switch that is measured: as many as its configuration has. */
export function lanesOf({ config }: Pick<BenchOptions, 'config'>): number {
  return loadConfig({ env: {}, ...(config === undefined ? {} : { file: config }) }).lanes.count
}
