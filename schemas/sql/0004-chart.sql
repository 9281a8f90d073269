-- The chart of accounts and the kinds of transfer, for reading (those of a programme come with its first published
-- version, in 0006); the posting rules themselves are `posting_allowed`.
insert into account_kind (kind, name, account_class, unit, floor_zero) values
  (6001, 'postal account', 6, 'EGP', true),
  (7001, 'payable to outlet', 7, 'EGP', false),
  (7002, 'acquirer clearing', 7, 'EGP', false),
  (7003, 'cash clearing', 7, 'EGP', false),
  (7004, 'card scheme clearing', 7, 'EGP', false),
  (7005, 'subsidy payable to outlet', 7, 'EGP', false),
  (7006, 'held back of outlet', 7, 'EGP', false),
  (7007, 'settlement in transit', 7, 'EGP', false),
  (7008, 'disputed with the card scheme', 7, 'EGP', false),
  (7009, 'payouts that came back', 7, 'EGP', false),
  (7010, 'suspense', 7, 'EGP', false),
  (8001, 'postal funds', 8, 'EGP', false),
  (8002, 'service fees', 8, 'EGP', false),
  (8003, 'state funds for money benefits', 8, 'EGP', false),
  (8004, 'advanced to household', 8, 'EGP', false),
  (8005, 'due from the account host', 8, 'EGP', false),
  (8006, 'state funds for subsidies', 8, 'EGP', false),
  (8007, 'account at settlement bank', 8, 'EGP', false),
  (8008, 'written off', 8, 'EGP', false),
  (8009, 'fees of scheme and banks', 8, 'EGP', false);

insert into transfer_kind (kind, name) values
  (1, 'entitlementIssue'), (2, 'subsidyRedemption'), (3, 'subsidyRestoration'), (4, 'entitlementExpiry'),
  (5, 'entitlementConversion'), (6, 'restorationReversal'), (7, 'entitlementAdvance'), (8, 'advanceRecovery'), (10, 'purchase'), (11, 'cashWithdrawal'),
  (12, 'cashback'), (13, 'coPayment'), (14, 'quasiCash'), (15, 'billPayment'), (16, 'refund'),
  (17, 'moneyReversal'), (18, 'deposit'), (19, 'depositReversal'), (20, 'refundReversal'),
  (21, 'fee'), (22, 'feeInCash'), (23, 'benefitCredit'), (24, 'feeReversal'),
  (25, 'overdraftAdvance'), (26, 'overdraftRecovery'),
  (30, 'hostFunding'), (31, 'hostReturn'),
  (40, 'subsidyPayable'), (41, 'subsidyPayableReversal'), (42, 'holdback'), (43, 'holdbackRelease'),
  (44, 'settlementInstructed'), (45, 'collectionInstructed'), (46, 'settlementPaid'), (47, 'settlementReceived'),
  (48, 'settlementReturned'), (49, 'settlementRejected'), (50, 'chargeback'), (51, 'representment'),
  (52, 'disputeCredit'), (53, 'disputeCreditReversal'), (54, 'toSuspense'), (55, 'fromSuspense'),
  (56, 'writeOff'), (57, 'writeBack'), (58, 'bankFee'), (59, 'bankInterest'),
  (60, 'stateFunding'), (61, 'poolTransfer'), (62, 'poolReturn'), (63, 'networkFee'), (64, 'networkIncome');
