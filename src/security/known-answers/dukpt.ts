import { dukptAesAlgorithms } from './dukpt-aes.ts'
import { dukptTdesAlgorithms } from './dukpt-tdes.ts'
import type { KnownAlgorithms } from './runner.ts'

/** Known answers of DUKPT, with TDES and with AES. */
export const dukptAlgorithms: KnownAlgorithms = { ...dukptTdesAlgorithms, ...dukptAesAlgorithms }
