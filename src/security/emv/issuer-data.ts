import { MizanError } from '../../errors.ts'

/**
 * Where things stand in Visa's issuer application data (tag 9F10; VIS 1.6, appendix on issuer application data). Its
 * first byte tells the two apart: the older one puts the key index before the cryptogram version, the newer one after.
 */
export interface IssuerDataLayout {
  /** `0/1/3`: 06 DKI CVN 03 CVR(3), maybe issuer's own data; `2/4`: 1F CVN DKI CVR(5), filled up to 32 bytes */
  readonly format: '0/1/3' | '2/4'
  readonly cvnAt: number
  readonly dkiAt: number
  /** first byte of the card verification results, after their length byte where there is one */
  readonly cvrAt: number
  readonly cvrBytes: number
}

const OLD_FIRST_BYTE = 0x06
const OLD_BYTES_MIN = 7
const OLD_CVR_BYTES = 3
const NEW_FIRST_BYTE = 0x1f
const NEW_BYTES = 32
/** EMV Book 3, annex A: tag 9F10 has at most 32 bytes. */
const BYTES_MAX = 32

const oldLayout: IssuerDataLayout = { format: '0/1/3', dkiAt: 1, cvnAt: 2, cvrAt: 4, cvrBytes: OLD_CVR_BYTES }
const newLayout: IssuerDataLayout = { format: '2/4', cvnAt: 1, dkiAt: 2, cvrAt: 3, cvrBytes: 5 }

/**
 * Tells which layout issuer application data has; allocates nothing.
 * @param data value of tag 9F10
 * @throws MizanError BAD_INPUT when it has neither of Visa's two layouts
 */
export function issuerDataLayout(data: Uint8Array): IssuerDataLayout {
  if (data.length > BYTES_MAX) throw new MizanError('BAD_INPUT', 'tag 9F10 (issuer application data) is over 32 bytes')
  if (data[0] === OLD_FIRST_BYTE) {
    if (data.length < OLD_BYTES_MIN || data[3] !== OLD_CVR_BYTES) {
      throw new MizanError('BAD_INPUT', 'tag 9F10 (issuer application data) of format 0/1/3 must hold 3 bytes of CVR')
    }
    return oldLayout
  }
  if (data[0] === NEW_FIRST_BYTE) {
    if (data.length !== NEW_BYTES) {
      throw new MizanError('BAD_INPUT', 'tag 9F10 (issuer application data) of format 2/4 must have 32 bytes')
    }
    return newLayout
  }
  throw new MizanError('BAD_INPUT', 'tag 9F10 (issuer application data) begins with neither 06 nor 1F')
}
