import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { CivilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { writeWholeFile } from '../whole-file.ts'

/** A payment that the bank was told to make, or to collect. */
export interface BankOrder {
  readonly messageId: string
  /** As in `pain.001.001.09`; absent of what came without a message. */
  readonly messageName?: string
  readonly endToEndId: string
  readonly amountPiasters: number
  /** Whether it credits the account. */
  readonly credit: boolean
  readonly executionDate: CivilDate
  readonly reference: string
  readonly name: string
}

/** What a simulated bank knows of one account; kept as JSON. */
export interface BankState {
  balancePiasters: number
  /** Of the last statement. */
  sequence: number
  /** Of the last reference. */
  counter: number
  /** Messages that were taken: one that comes again is not. */
  messages: string[]
  orders: BankOrder[]
}

/** Orders that wait for their day; a bank of the demo has no more. */
export const ORDERS_MAX = 200_000

export async function readBankState(file: string): Promise<BankState> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as BankState
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new MizanError('BAD_INPUT', `${file} is no state of a simulated bank`, { cause })
    }
    return { balancePiasters: 0, sequence: 0, counter: 0, messages: [], orders: [] }
  }
}

export function writeBankState(file: string, state: BankState): void {
  writeWholeFile(file, `${JSON.stringify(state)}\n`, 0o600)
}

/** Where the state of an account stands. */
export const bankStateFile = (folder: string, account: string): string => path.join(folder, `bank-${account}.json`)
