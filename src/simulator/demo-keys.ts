import { createHash } from 'node:crypto'

/** Test keys of the demo world, made from its seed: the same on every machine, and therefore no secret at all. */
export function demoKeys(seed: number): Record<string, unknown> {
  const key = (name: string, bytes: number) => {
    let hex = ''
    for (let block = 0; hex.length < bytes * 2; block++) {
      hex += createHash('sha256').update(`mizan demo key ${seed} ${name} ${block}`).digest('hex')
    }
    return withOddParity(hex.slice(0, bytes * 2)).toUpperCase()
  }
  return {
    zpk: key('zpk', 16),
    mak: key('mak', 16),
    pvk: key('pvk', 16),
    pvki: '1',
    cvk: key('cvk', 16),
    imkAc: key('imk-ac', 16),
    imkSmi: key('imk-smi', 16),
    imkSmc: key('imk-smc', 16),
    bdk: key('bdk', 16),
    biometric: { '00000001': key('biometric 1', 32), '00000002': key('biometric 2', 32) },
  }
}

/** DES keys carry odd parity in each byte; the last bit is set so. */
function withOddParity(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  for (const [index, byte] of bytes.entries()) {
    let ones = 0
    for (let bit = 1; bit < 8; bit++) ones += (byte >> bit) & 1
    bytes[index] = (byte & 0xfe) | (ones % 2 === 0 ? 1 : 0)
  }
  return bytes.toString('hex')
}
