/** One known answer of the self-test: what the runner takes, and where the value comes from. */
export interface PowerUpAnswer {
  readonly id: string
  /** Standard or public test from which the value is taken. */
  readonly source: string
  /** Name in `known-answers/algorithms.ts`. */
  readonly algorithm: string
  readonly inputs: Readonly<Record<string, unknown>>
  /** Outputs, or `error: true` where the inputs must be refused. */
  readonly expected: Readonly<Record<string, unknown>>
}

const doubleKey = '0123456789ABCDEFFEDCBA9876543210'
const nowIsTheTime = '4E6F77206973207468652074696D6520666F7220616C6C20'

/** Ciphers and MACs, on which all the rest stands. */
const primitiveAnswers: readonly PowerUpAnswer[] = [
  {
    id: 'des',
    source: 'FIPS 81, table B1',
    algorithm: 'cipher.des_ecb',
    inputs: { key: '0123456789ABCDEF', data: nowIsTheTime },
    expected: { ciphertext: '3FA40E8A984D48156A271787AB8883F9893D51EC4B563B53' },
  },
  {
    id: 'tdes-triple',
    source: 'NIST SP 800-67, B.1',
    algorithm: 'cipher.tdes_ecb',
    inputs: {
      key: '0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123',
      data: '54686520717566636B2062726F776E20666F78206A756D70',
    },
    expected: { ciphertext: 'A826FD8CE53B855FCCE21C8112256FE668D5C05DD9B6B900' },
  },
  {
    id: 'tdes-decrypt',
    source: 'NIST SP 800-67, B.1',
    algorithm: 'cipher.tdes_ecb',
    inputs: {
      key: '0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123',
      ciphertext: 'A826FD8CE53B855FCCE21C8112256FE668D5C05DD9B6B900',
    },
    expected: { plaintext: '54686520717566636B2062726F776E20666F78206A756D70' },
  },
  {
    id: 'tdes-double',
    source: 'jPOS, JCESecurityModuleTest.java',
    algorithm: 'cipher.tdes_ecb',
    inputs: { key: '12345678123456781234567812345678', data: '0011223344556677' },
    expected: { ciphertext: 'ABFA6F3C28A8CB0C' },
  },
  {
    id: 'aes-128',
    source: 'FIPS 197, C.1',
    algorithm: 'cipher.aes_ecb',
    inputs: { key: '000102030405060708090A0B0C0D0E0F', data: '00112233445566778899AABBCCDDEEFF' },
    expected: { ciphertext: '69C4E0D86A7B0430D8CDB78070B4C55A' },
  },
  {
    id: 'aes-256-decrypt',
    source: 'FIPS 197, C.3',
    algorithm: 'cipher.aes_ecb',
    inputs: {
      key: '000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',
      ciphertext: '8EA2B7CA516745BFEAFC49904B496089',
    },
    expected: { plaintext: '00112233445566778899AABBCCDDEEFF' },
  },
  {
    id: 'cbc-mac-des',
    source: 'ISO/IEC 9797-1, annex B',
    algorithm: 'mac.iso9797_alg1_des',
    inputs: { key: '0123456789ABCDEF', data: nowIsTheTime, padding_method: 2 },
    expected: { mac: '10E1F0F1' },
  },
  {
    id: 'retail-mac',
    source: 'ISO/IEC 9797-1, annex B',
    algorithm: 'mac.iso9797_alg3',
    inputs: { key: doubleKey, data: nowIsTheTime, padding_method: 1 },
    expected: { mac: 'A1C72E74EA3FA9B6' },
  },
  {
    id: 'cmac-tdes',
    source: 'CryptoCarver, PaymentControlValuesTest.java',
    algorithm: 'mac.tdes_cmac',
    inputs: { key: doubleKey, data: '48656C6C6F2C20776F726C6421' },
    expected: { mac: '339F7934' },
  },
  {
    id: 'cmac-aes',
    source: 'RFC 4493, section 4',
    algorithm: 'mac.aes_cmac',
    inputs: { key: '2B7E151628AED2A6ABF7158809CF4F3C', data: '6BC1BEE22E409F96E93D7E117393172A' },
    expected: { mac: '070A16B46B4D4144F79BDD9DD04A287C' },
  },
  {
    id: 'hmac-sha256',
    source: 'RFC 4231, section 4.3',
    algorithm: 'mac.hmac_sha256',
    inputs: { key: '4A656665', data: '7768617420646F2079612077616E7420666F72206E6F7468696E673F' },
    expected: { mac: '5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843' },
  },
]

/** PINs and card check values. */
const cardAnswers: readonly PowerUpAnswer[] = [
  {
    id: 'pin-block-0',
    source: 'ANSI X9.24-1:2009, A.4',
    algorithm: 'pinblock.iso0.encode',
    inputs: { pin: '1234', pan: '4012345678909' },
    expected: { pin_block: '041274EDCBA9876F' },
  },
  {
    id: 'pin-block-0-refused',
    source: 'psec, tests/test_pinblock.py',
    algorithm: 'pinblock.iso0.decode',
    inputs: { pin_block: '241261AAAAEDCBA9', pan: '5555555551234567' },
    expected: { error: true },
  },
  {
    id: 'pin-block-3',
    source: 'psec, tests/test_pinblock.py',
    algorithm: 'pinblock.iso3.decode',
    inputs: { pin_block: '391261032D8DCBA9', pan: '5555555551234567' },
    expected: { pin: '123456789' },
  },
  {
    id: 'pin-block-4',
    source: 'ep2 security specification 8.0.0, 8.4',
    algorithm: 'pinblock.iso4.decipher',
    inputs: {
      key: 'C1D0F8FB4958670DBA40AB1F3752EF0D',
      pin_block: 'CC17F65586BFD0953010226C4FC5B3CA',
      pan: '432198765432109870',
    },
    expected: { pin: '1234' },
  },
  {
    id: 'pvv',
    source: 'psec, tests/test_pin.py',
    algorithm: 'pin.visa_pvv',
    inputs: { pvk: doubleKey, pvki: '1', pin: '4524', pan: '1122334455667788' },
    expected: { pvv: '8523' },
  },
  {
    id: 'ibm-3624',
    source: 'psec, tests/test_pin.py',
    algorithm: 'pin.ibm3624.offset',
    inputs: {
      pvk: doubleKey,
      decimalisation_table: '1234567890123456',
      validation_data: '1122334455667788',
      pin: '5635',
    },
    expected: { offset: '1111' },
  },
  {
    id: 'cvv',
    source: 'CredoraxCourse, CVCTest.java',
    algorithm: 'cvv.cvv1',
    inputs: { cvk: 'D676DCF3AFB7350532EAF00EA253D875', pan: '4123450990122129', expiry: '0721', service_code: '202' },
    expected: { cvv: '2410' },
  },
  {
    id: 'icvv',
    source: 'CryptoCarver, PaymentControlValuesTest.java',
    algorithm: 'cvv.icvv',
    inputs: { cvk: doubleKey, pan: '4111111111111111', expiry: '2512', service_code: '999' },
    expected: { cvv: '133' },
  },
]

const tagsOfPurchase = {
  '9F02': '000000004000',
  '9F03': '000000000000',
  '9F1A': '0124',
  '95': '8000048000',
  '5F2A': '0124',
  '9A': '191105',
  '9C': '01',
  '9F37': '52BF4585',
  '82': '1800',
  '9F36': '001C',
}
const card = { imk_ac: doubleKey, pan: '1234567890123456', psn: '00' }

/** Chip cryptograms, keys per transaction, key blocks. */
const schemeAnswers: readonly PowerUpAnswer[] = [
  {
    id: 'arqc-cvn10',
    source: 'pyemv, tests/test_cvn_hsm.py',
    algorithm: 'emv.arqc.cvn10',
    inputs: { ...card, tags: { ...tagsOfPurchase, CVR: '03A06010' } },
    expected: { arqc: '29CCA15AE665FA2E' },
  },
  {
    id: 'arqc-cvn18',
    source: 'pyemv, tests/test_cvn_hsm.py',
    algorithm: 'emv.arqc.cvn18',
    inputs: { ...card, tags: { ...tagsOfPurchase, '9F10': '06011203A0B800' } },
    expected: { arqc: '7A788EA6B8A3E733' },
  },
  {
    id: 'arpc-method-1',
    source: 'pyemv, tests/test_cvn_hsm.py',
    algorithm: 'emv.arpc.cvn10',
    inputs: { ...card, arqc: '29CCA15AE665FA2E', arc: '3030' },
    expected: { arpc: '28993816AFAE4AEB' },
  },
  {
    id: 'arpc-method-2',
    source: 'jPOS, JCESecurityModuleTest.java',
    algorithm: 'emv.arpc.method2',
    inputs: { key: 'F2A75194C2B954A4163E9886BCA45473', arqc: '36DBEE15F36B1E7F', csu: '00120000' },
    expected: { arpc: '332CD266' },
  },
  {
    id: 'script-mac',
    source: 'pyemv, tests/test_cvn_hsm.py',
    algorithm: 'emv.script.mac',
    inputs: { sk_smi: '94F867167C64EF23EAB0CB627A7ACB62', data: '8418000008001C7A788EA6B8A3E733' },
    expected: { mac: '04EDE90BC24CC35E' },
  },
  {
    id: 'dukpt-tdes-pin',
    source: 'ANSI X9.24-1:2009, A.4.2',
    algorithm: 'dukpt.tdes.pin',
    inputs: { bdk: doubleKey, ksn: 'FFFF9876543210E00008', clear_pin_block: '041274EDCBA9876F' },
    expected: { pin_block: '50E55547A5027551' },
  },
  {
    id: 'dukpt-tdes-mac',
    source: 'ANSI X9.24-1:2009, A.4.2',
    algorithm: 'dukpt.tdes.mac_request',
    inputs: { bdk: doubleKey, ksn: 'FFFF9876543210E00002', data: '3430313233343536373839303944393837' },
    expected: { mac: 'F608A9BC' },
  },
  {
    id: 'dukpt-aes-pin',
    source: 'ANSI X9.24-3:2017, supplement',
    algorithm: 'dukpt.aes.pin_iso4',
    inputs: {
      bdk: 'FEDCBA9876543210F1F1F1F1F1F1F1F1',
      ksn: '123456789012345600000004',
      pan: '4111111111111111',
      pin_field: '441234AAAAAAAAAA2F69ADDE2E9E7ACE',
      key_type: 'AES128',
    },
    expected: { pin_block: '71B3D0528669498777555A8BE6698E44' },
  },
  {
    id: 'dukpt-aes-key',
    source: 'ANSI X9.24-3:2017, supplement',
    algorithm: 'dukpt.aes.working_key',
    inputs: {
      bdk: 'FEDCBA9876543210F1F1F1F1F1F1F1F1FEDCBA9876543210F1F1F1F1F1F1F1F1',
      ksn: '123456789012345600000005',
      usage: 'PIN',
      key_type: 'AES128',
    },
    expected: { key: '97504C8BB0FD4D4A88D605143BF00025' },
  },
  {
    id: 'key-block-d-wrap',
    source: 'psec, tests/test_tr31.py',
    algorithm: 'tr31.d.wrap',
    inputs: {
      kbpk: '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6',
      header: 'D0112P0AE00E0000',
      key: '3F419E1CB7079442AA37474C2EFBF8B8',
      random_padding: '1C2965473CE206BB855B01533782',
    },
    expected: {
      key_block:
        'D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34',
    },
  },
  {
    id: 'key-block-d-unwrap',
    source: 'payShield 10K sample, as printed by openemv/tr31',
    algorithm: 'tr31.d.unwrap',
    inputs: {
      kbpk: '4141414141414141414141414141414141414141414141414141414141414141',
      key_block:
        'D0112B0TN00N000037DB9B046B7B0048785690759580ABC3B9842AB4BB7717B49E92528E575785D8123559376A2553B27BE94F054F4E971C',
    },
    expected: { key: '1FA1F7CEC798D91545DA8AE0C7796BD9' },
  },
  {
    id: 'key-block-d-refused',
    source: 'psec, tests/test_tr31.py',
    algorithm: 'tr31.d.unwrap',
    inputs: {
      kbpk: '45454545454545454545454545454545',
      key_block:
        'D0112P0AE00E0000DDF7B73888F22B757600010215895621B94A4E8DA57DD3E01BB66FF046A4E6B89B8F5C30BDD3A946205FDF791C3548E4',
    },
    expected: { error: true },
  },
  {
    id: 'key-block-b-unwrap',
    source: 'ANSI X9.143:2021, 8.4.2',
    algorithm: 'tr31.b.unwrap',
    inputs: {
      kbpk: '1D22BF32387C600AD97F9B97A51311AC',
      key_block:
        'B0120B0TX12S0100KS1800604B120F929280000015CEB14B76D551F21EC43A75390FA118A98C6CB049E3B9E864A5F4A8B9A5108A6DB5635C95B042D7',
    },
    expected: { key: 'E8BC63E5479455E26577F715D587FE68' },
  },
]

/** What must come out before this process may serve: a few answers for each family of algorithms. */
export const powerUpAnswers: readonly PowerUpAnswer[] = [...primitiveAnswers, ...cardAnswers, ...schemeAnswers]
