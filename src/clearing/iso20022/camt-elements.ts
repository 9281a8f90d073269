import type { ReadContext } from './read-context.ts'
import type { XmlNode } from './xml-reader.ts'

const names = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/))

/**
 * What may stand in an entry, its details and a payment of it, in camt.052 to 054 of any version that is read (ISO 20022:
 * from ReportEntry2 and EntryTransaction2 of .02 to ReportEntry14 and EntryTransaction14 of .13).
 */
const elements: Readonly<Record<string, ReadonlySet<string>>> = {
  Ntry: names(
    'NtryRef Amt CdtDbtInd RvslInd Sts BookgDt ValDt AcctSvcrRef Avlbty BkTxCd ComssnWvrInd AddtlInfInd AmtDtls Chrgs TechInptChanl Intrst CardTx NtryDtls AddtlNtryInf SplmtryData',
  ),
  NtryDtls: names('Btch TxDtls SplmtryData'),
  TxDtls: names(
    'Refs Amt CdtDbtInd AmtDtls Avlbty BkTxCd Chrgs Intrst RltdPties RltdAgts LclInstrm PmtTpInf Purp RltdRmtInf RmtInf RltdDts RltdPric RltdQties FinInstrmId Tax RtrInf CorpActn SfkpgAcct CshDpst CardTx AddtlTxInf SplmtryData',
  ),
}

/**
 * Requires that nothing stands in an element that its message does not have: where money is read, what is not understood may change
 * what the rest means.
 * @throws RefusedFile
 */
export function requireKnown(context: ReadContext, node: XmlNode): void {
  const known = elements[node.name]
  for (const child of node.children) {
    if (known?.has(child.name) === false) {
      context.refuse(context.placeOf(child), `${child.name.slice(0, 40)} does not belong into ${node.name}`)
    }
  }
}
