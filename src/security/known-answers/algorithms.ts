import { cvvAlgorithms } from './cvv.ts'
import { dukptAlgorithms } from './dukpt.ts'
import { emvAlgorithms } from './emv.ts'
import { macAlgorithms } from './mac.ts'
import { pinAlgorithms } from './pin.ts'
import type { KnownAlgorithms } from './runner.ts'
import { tr31Algorithms } from './tr31.ts'

/** Every algorithm of which known answers can be run, by the name that files give it. */
export const knownAlgorithms: KnownAlgorithms = {
  ...macAlgorithms,
  ...pinAlgorithms,
  ...cvvAlgorithms,
  ...emvAlgorithms,
  ...dukptAlgorithms,
  ...tr31Algorithms,
}
