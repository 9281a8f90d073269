/**
 * The governorates of Egypt by their codes of ISO 3166-2:EG, without the country, with the number that national IDs
 * give to those who were born there (subsidy-domain.md, 2.6). Where someone was born says nothing of where they live.
 */
export const governorates = {
  C: { name: 'Cairo', birthCode: '01' },
  ALX: { name: 'Alexandria', birthCode: '02' },
  PTS: { name: 'Port Said', birthCode: '03' },
  SUZ: { name: 'Suez', birthCode: '04' },
  DT: { name: 'Damietta', birthCode: '11' },
  DK: { name: 'Dakahlia', birthCode: '12' },
  SHR: { name: 'Sharqia', birthCode: '13' },
  KB: { name: 'Qalyubia', birthCode: '14' },
  KFS: { name: 'Kafr El-Sheikh', birthCode: '15' },
  GH: { name: 'Gharbia', birthCode: '16' },
  MNF: { name: 'Monufia', birthCode: '17' },
  BH: { name: 'Beheira', birthCode: '18' },
  IS: { name: 'Ismailia', birthCode: '19' },
  GZ: { name: 'Giza', birthCode: '21' },
  BNS: { name: 'Beni Suef', birthCode: '22' },
  FYM: { name: 'Fayoum', birthCode: '23' },
  MN: { name: 'Minya', birthCode: '24' },
  AST: { name: 'Asyut', birthCode: '25' },
  SHG: { name: 'Sohag', birthCode: '26' },
  KN: { name: 'Qena', birthCode: '27' },
  ASN: { name: 'Aswan', birthCode: '28' },
  LX: { name: 'Luxor', birthCode: '29' },
  BA: { name: 'Red Sea', birthCode: '31' },
  WAD: { name: 'New Valley', birthCode: '32' },
  MT: { name: 'Matrouh', birthCode: '33' },
  SIN: { name: 'North Sinai', birthCode: '34' },
  JS: { name: 'South Sinai', birthCode: '35' },
} as const
export type Governorate = keyof typeof governorates

/** Birth code of those who were born outside Egypt. */
const ABROAD = '88'

/** Whether a text is the code of a governorate. */
export function isGovernorate(text: string): text is Governorate {
  return Object.hasOwn(governorates, text)
}

const byBirthCode = new Map<string, Governorate | 'abroad'>([
  [ABROAD, 'abroad'],
  ...Object.entries(governorates).map(([code, { birthCode }]) => [birthCode, code as Governorate] as const),
])

/** Where a birth code of a national ID lies; undefined when there is no such code. */
export function birthPlaceOf(birthCode: string): Governorate | 'abroad' | undefined {
  return byBirthCode.get(birthCode)
}
