/** What is made of a bank's sample file: what is read of it, or the reason why it is refused. */
export interface SampleExpectation {
  readonly strict: string | RegExp
  /** When it is another. */
  readonly tolerant?: string | RegExp
}

const otherCurrency = { strict: /refused: .*Stmt\/Acct: the account is in EUR and its balance in SEK/ }
const nacha = { strict: /refused: .*:1:1: the file: it is a NACHA \(ACH\) file of 94-character records/ }
const noNamespace = /refused: .*:3:\d+: Document\/CstmrPmtStsRpt: "" is no namespace of ISO 20022/
const header = (stated: number, found: number) =>
  new RegExp(`refused: .*GrpHdr/NbOfTxs: the header says ${stated} payments, and there are ${found}`)

/** Every file of the folder of samples, held against what this project makes of it. */
export const bankSamples: Readonly<Record<string, SampleExpectation>> = {
  'camt.052/genkgo_camt052.v6.Amt-zero.xml': { strict: 'camt.052.001.06 report 1 entry 1 payment 1' },
  'camt.052/pyiso_gs_camt052_001_02.xml': { strict: 'camt.052.001.02 report 6 entry 17 payment 17' },
  // Its one text of 204 characters is more than the schema allows; it is cut nowhere, being none that is kept by itself.
  'camt.053/abn_amro_example_camt.xml': { strict: 'camt.053.001.02 report 1 entry 13 payment 26' },
  'camt.053/genkgo_camt053.v2.five.decimals.xml': {
    strict: /refused: .*:107:\d+: .*opening 18\.15 and entries of 8\.85 make 27\.00, its closing balance is 27\.05/,
  },
  'camt.053/genkgo_camt053.v2.minimal.ultimate.xml': otherCurrency,
  'camt.053/genkgo_camt053.v2.minimal.xml': otherCurrency,
  'camt.053/genkgo_camt053.v2.multi.statement.xml': { strict: 'camt.053.001.02 report 2 entry 2 payment 2' },
  'camt.053/genkgo_camt053.v2.with-account-name.xml': {
    strict: /refused: .*Stmt\/Acct: the statement has no opening balance/,
    tolerant: 'camt.053.001.02 report 1 entry 1 payment 1 (no-balance)',
  },
  'camt.053/genkgo_camt053.v2.with-party-ids.xml': otherCurrency,
  'camt.053/genkgo_camt053.v3.xml': otherCurrency,
  'camt.053/genkgo_camt053.v4.xml': otherCurrency,
  'camt.053/genkgo_camt053.v8.xml': otherCurrency,
  'camt.053/goldman_sachs_camt_053_uk_v2_virtual_accounts.xml': {
    strict: /refused: .*statement 9740092650 does not add up: .* its closing balance is 334425126\.42/,
  },
  'camt.053/goldman_sachs_camt_053_us_v2_sample.xml': {
    strict: /refused: .*:460:\d+: .*Ntry: an entry in EUR on an account in USD/,
  },
  'camt.053/nordea_example_camt.xml': { strict: 'camt.053.001.02 report 1 entry 6 payment 6' },
  'camt.053/prowide_camt.053.001.07.xml': {
    strict: /refused: .*message\/Document\/BkToCstmrStmt\/Stmt\/Acct: the statement has no closing balance/,
    tolerant: 'camt.053.001.07 report 1 (no-balance)',
  },
  'camt.054/genkgo_camt054.v4.xml': {
    strict: /refused: .*Ntfctn\/Ntry: the batch says 2 payments, and 3 are told/,
    tolerant: 'camt.054.001.04 report 1 entry 1 payment 0 (batch-details)',
  },
  'camt.054/genkgo_camt054.v8-with-UETR.xml': {
    strict: /refused: .*Ntfctn\/Ntry: an entry without BkTxCd/,
    tolerant: 'camt.054.001.08 report 1 entry 1 payment 1 (no-code)',
  },
  'camt.054/genkgo_camt054.v8-with-financial-institution.xml': {
    strict: /refused: .*Ntfctn\/Ntry: an entry without BkTxCd/,
    tolerant: 'camt.054.001.08 report 1 entry 1 payment 1 (no-code)',
  },
  'camt.054/genkgo_camt054.v8.xml': {
    strict: /refused: .*Ntfctn\/Ntry: the batch says 2 payments, and 3 are told/,
    tolerant: 'camt.054.001.08 report 1 entry 1 payment 0 (batch-details)',
  },
  'head.001/prowide_header-with-signature.xml': { strict: /refused: .*a business header without its Document/ },
  'nacha/contested-return.ach': nacha,
  'nacha/dishonored-return.ach': nacha,
  'nacha/ppd-credit.ach': nacha,
  'nacha/return-PPD-custom-reason-code.ach': nacha,
  'nacha/return-WEB.ach': nacha,
  'nacha/return-no-batch-controls.ach': nacha,
  // A template of a program, not a message.
  'pacs.002/horus_pacs.002_RJCT.template.xml': {
    strict: /refused: .*:4:\d+: .*GrpHdr\/MsgId: .*processing instruction/,
  },
  'pacs.002/prowide_pacs.002-CDATA-with-header.xml': { strict: 'pacs.002.001.03 answer 1' },
  'pacs.008/prowide_pacs.008.001.07.xml': {
    strict: /refused: .*GrpHdr\/TtlIntrBkSttlmAmt: the sum of the payments is not that of the header/,
    tolerant: 'pacs.008.001.07 payment 1 (counts)',
  },
  'pacs.009/prowide_pacs.009.001.07.xml': {
    strict: /refused: .*GrpHdr\/TtlIntrBkSttlmAmt: the sum of the payments is not that of the header/,
    tolerant: 'pacs.009.001.07 payment 1 (counts)',
  },
  // Indented with no-break spaces, which are text in XML.
  'pain.001/cross_river_pain_001_ach_credit.xml': {
    strict: /refused: .*:3:\d+: Document: white space that is none in XML/,
    tolerant: 'pain.001.001.03 payment 1 (stray-text)',
  },
  'pain.001/cross_river_pain_001_rtp_credit.xml': {
    strict: /refused: .*:3:\d+: Document: white space that is none in XML/,
    tolerant: 'pain.001.001.03 payment 1 (stray-text)',
  },
  'pain.001/example_sepa_pain_001_v3.xml': { strict: 'pain.001.001.03 payment 1' },
  'pain.001/example_swift_pain_001_v3.xml': { strict: 'pain.001.001.03 payment 1' },
  'pain.001/goldman_sachs_pain_001_ach_credit.xml': {
    strict: /refused: .*:30:\d+: Document\/CstmrCdtTrfInitn\/PmtInf\/ReqdExctnDt: "YYYY-MM-DD" is not a date/,
  },
  'pain.001/pyiso_gs_pain001_001_08.xml': { strict: 'pain.001.001.08 payment 1' },
  'pain.001/rousseau_pain.001.001.03.xml': {
    strict: header(2, 4),
    tolerant: 'pain.001.001.03 payment 4 (counts)',
  },
  'pain.001/rousseau_pain.001.001.04.xml': {
    strict: header(2, 1),
    tolerant: 'pain.001.001.04 payment 1 (counts)',
  },
  'pain.001/rousseau_pain.001.001.06.xml': {
    strict: header(3, 1),
    tolerant: 'pain.001.001.06 payment 1 (counts)',
  },
  'pain.001/rousseau_pain.001.001.09.xml': {
    strict: header(2, 5),
    tolerant: 'pain.001.001.09 payment 5 (counts)',
  },
  'pain.002/cross_river_pain_002_batch_rejected.xml': {
    strict: noNamespace,
    tolerant: 'pain.002 answer 1 (namespace) (no-original)',
  },
  'pain.002/cross_river_pain_002_credit_accepted.xml': {
    strict: noNamespace,
    tolerant: 'pain.002 answer 3 (namespace)',
  },
  'pain.002/cross_river_pain_002_transaction_rejected.xml': {
    strict: noNamespace,
    tolerant: 'pain.002 answer 5 (namespace)',
  },
  'pain.002/goldman_sachs_pain_002_v3_accepted.xml': { strict: 'pain.002.001.03 answer 1' },
  'pain.002/goldman_sachs_pain_002_v3_group_accepted.xml': { strict: 'pain.002.001.03 answer 1' },
  'pain.002/nordea_pain_002_v3_group_reject.xml': { strict: 'pain.002.001.03 answer 1' },
  'pain.002/nordea_pain_002_v3_payment_reject.xml': { strict: 'pain.002.001.03 answer 1' },
}
