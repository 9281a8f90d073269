/**
 * Which test files run in one process (`npm test`), by patterns below `test`: each group is a file of `test/groups`, and each
 * test file belongs to exactly one. A process of its own for every file would load tap and the switch more than two hundred times, which is
 * more than most of them do. tap begins them in the order of their names: the first figure is earlier for what takes longer, so
 * that the last ones are short and all processors have work to the end.
 */
export const testGroups: Readonly<Record<string, readonly string[]>> = {
  '1-clearing-a-d': ['clearing/[a-d]*.test.ts'],
  '1-clearing-e-z': ['clearing/[e-z]*.test.ts'],
  '1-leak': ['switch/leak.test.ts'],
  '1-switch-a-b': ['switch/[a-b]*.test.ts'],
  '1-switch-c-h': ['switch/[c-h]*.test.ts'],
  '1-switch-i-m': ['switch/[i-km]*.test.ts', 'switch/l[a-df-z]*.test.ts', 'switch/le[b-z]*.test.ts'],
  '1-switch-n-r': ['switch/[n-r]*.test.ts'],
  '1-switch-s-z': ['switch/[s-z]*.test.ts'],
  '1-writer-a-l': ['writer/[a-l]*.test.ts'],
  '1-writer-m-z': ['writer/[m-z]*.test.ts'],
  '2-api': ['api/*.test.ts'],
  '2-commands': ['commands/*.test.ts', 'config/*.test.ts', 'telemetry/*.test.ts'],
  '2-ledger': ['ledger/*.test.ts'],
  '2-link': ['link/*.test.ts'],
  '2-people': ['people/*.test.ts', 'jobs/*.test.ts', 'notification/*.test.ts', 'availability/*.test.ts'],
  '2-store': ['store/*.test.ts'],
  '2-whole': ['requirements/*.test.ts', 'simulator/*.test.ts', 'simulation/*.test.ts'],
  '3-messages': ['iso8583/*.test.ts', 'files/*.test.ts'],
  '3-rules': ['authorization/*.test.ts', 'benefit/*.test.ts', 'card/*.test.ts', '*.test.ts'],
  '3-security': ['security/*.test.ts', 'bench/*.test.ts'],
}
