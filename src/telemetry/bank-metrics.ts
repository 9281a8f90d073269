import type { Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Metrics of what settlement banks send. */
export interface BankMetrics {
  /** By result: taken, repeated, or why it was refused. */
  readonly files: FastCounter
  /** By state: matched, known, suspense. */
  readonly entries: FastCounter
  /** By outcome: applied, unknown, unexpected. */
  readonly answers: FastCounter
}

/** Makes the metrics of bank files on a registry. */
export function createBankMetrics(registry: Registry): BankMetrics {
  return {
    files: new FastCounter(registry, 'mizan_bank_files_total', 'Files of settlement banks, by what became of them', [
      'result',
    ]),
    entries: new FastCounter(
      registry,
      'mizan_bank_entries_total',
      'Booked entries of bank statements, by what they are',
      ['state'],
    ),
    answers: new FastCounter(registry, 'mizan_bank_answers_total', 'Answers of banks to payments, by what they did', [
      'outcome',
    ]),
  }
}
