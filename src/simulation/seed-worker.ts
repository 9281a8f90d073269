import { parentPort } from 'node:worker_threads'
import { programmeCatalogue } from '../benefit/programme-book.ts'
import { shippedProgrammes } from '../benefit/shipped-programmes.ts'
import type { SeedOrder } from './campaign.ts'
import { runSeed } from './run-seed.ts'

const catalogue = programmeCatalogue(shippedProgrammes)

parentPort?.on('message', ({ seed, events, without }: SeedOrder) => {
  void runSeed(catalogue, { seed, events, without: new Set(without) }).then((result) => parentPort?.postMessage(result))
})
