/** What a terminal may want. */
export const workloadKinds = [
  'purchase',
  'hold',
  'cash',
  'deposit',
  'bread',
  'bread-days',
  'bread-offline',
  'ration',
  'basket',
  'points',
  'visit',
  'inquiry',
  'subsidy-cash',
  'wrong-outlet',
  'unknown-card',
  'wrong-pin',
  'bad-amount',
  'follow-up',
  'unknown-original',
  'reversal-first',
  'altered-repeat',
  'bad-mac',
  'command',
] as const
export type WorkloadKind = (typeof workloadKinds)[number]

/** What a message does, as the table of coverage counts it. */
export type MessageKind =
  | Exclude<WorkloadKind, 'follow-up' | 'command' | 'altered-repeat' | 'reversal-first'>
  | 'reversal'
  | 'partial-reversal'
  | 'completion'
  | 'completion-over'
  | 'refund'
