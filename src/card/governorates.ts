/**
 * The governorates of Egypt by their codes of ISO 3166-2:EG, without the country, with the number that national IDs
 * give to those who were born there (subsidy-domain.md, 2.6). Where someone was born says nothing of where they live.
 */
export const governorates = {
  C: { name: 'Cairo', nameAr: 'القاهرة', birthCode: '01' },
  ALX: { name: 'Alexandria', nameAr: 'الإسكندرية', birthCode: '02' },
  PTS: { name: 'Port Said', nameAr: 'بورسعيد', birthCode: '03' },
  SUZ: { name: 'Suez', nameAr: 'السويس', birthCode: '04' },
  DT: { name: 'Damietta', nameAr: 'دمياط', birthCode: '11' },
  DK: { name: 'Dakahlia', nameAr: 'الدقهلية', birthCode: '12' },
  SHR: { name: 'Sharqia', nameAr: 'الشرقية', birthCode: '13' },
  KB: { name: 'Qalyubia', nameAr: 'القليوبية', birthCode: '14' },
  KFS: { name: 'Kafr El-Sheikh', nameAr: 'كفر الشيخ', birthCode: '15' },
  GH: { name: 'Gharbia', nameAr: 'الغربية', birthCode: '16' },
  MNF: { name: 'Monufia', nameAr: 'المنوفية', birthCode: '17' },
  BH: { name: 'Beheira', nameAr: 'البحيرة', birthCode: '18' },
  IS: { name: 'Ismailia', nameAr: 'الإسماعيلية', birthCode: '19' },
  GZ: { name: 'Giza', nameAr: 'الجيزة', birthCode: '21' },
  BNS: { name: 'Beni Suef', nameAr: 'بني سويف', birthCode: '22' },
  FYM: { name: 'Fayoum', nameAr: 'الفيوم', birthCode: '23' },
  MN: { name: 'Minya', nameAr: 'المنيا', birthCode: '24' },
  AST: { name: 'Asyut', nameAr: 'أسيوط', birthCode: '25' },
  SHG: { name: 'Sohag', nameAr: 'سوهاج', birthCode: '26' },
  KN: { name: 'Qena', nameAr: 'قنا', birthCode: '27' },
  ASN: { name: 'Aswan', nameAr: 'أسوان', birthCode: '28' },
  LX: { name: 'Luxor', nameAr: 'الأقصر', birthCode: '29' },
  BA: { name: 'Red Sea', nameAr: 'البحر الأحمر', birthCode: '31' },
  WAD: { name: 'New Valley', nameAr: 'الوادي الجديد', birthCode: '32' },
  MT: { name: 'Matrouh', nameAr: 'مطروح', birthCode: '33' },
  SIN: { name: 'North Sinai', nameAr: 'شمال سيناء', birthCode: '34' },
  JS: { name: 'South Sinai', nameAr: 'جنوب سيناء', birthCode: '35' },
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
