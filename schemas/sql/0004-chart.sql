-- The chart of accounts and the kinds of transfer, for reading; the posting rules themselves are `posting_allowed`.
insert into account_kind (kind, name, account_class, unit, floor_zero) values
  (6001, 'postal account', 6, 'EGP', true),
  (7001, 'payable to outlet', 7, 'EGP', false),
  (7002, 'acquirer clearing', 7, 'EGP', false),
  (7003, 'cash clearing', 7, 'EGP', false),
  (7004, 'card scheme clearing', 7, 'EGP', false),
  (8001, 'postal funds', 8, 'EGP', false),
  (8002, 'service fees', 8, 'EGP', false),
  (8003, 'state funds for money benefits', 8, 'EGP', false);

insert into account_kind (kind, name, account_class, unit, floor_zero)
  select c.class * 1000 + p.unit_code * 100 + p.number, p.code || ' ' || c.name, c.class, p.unit, c.class = 1
  from (values (1, 'bread', 1, 'LOAF'), (2, 'flour', 2, 'KG'), (3, 'points', 0, 'EGP'), (4, 'ration', 0, 'EGP'),
               (5, 'grants', 0, 'EGP'), (6, 'ramadan-2027', 0, 'EGP')) p(number, code, unit_code, unit),
       (values (1, 'wallet'), (2, 'redeemed'), (3, 'funding'), (4, 'expired'), (5, 'converted')) c(class, name);

insert into transfer_kind (kind, name) values
  (1, 'entitlementIssue'), (2, 'subsidyRedemption'), (3, 'subsidyRestoration'), (4, 'entitlementExpiry'),
  (5, 'entitlementConversion'), (6, 'restorationReversal'), (10, 'purchase'), (11, 'cashWithdrawal'),
  (12, 'cashback'), (13, 'coPayment'), (14, 'quasiCash'), (15, 'billPayment'), (16, 'refund'),
  (17, 'moneyReversal'), (18, 'deposit'), (19, 'depositReversal'), (20, 'refundReversal'),
  (21, 'fee'), (22, 'feeInCash'), (23, 'benefitCredit'), (24, 'feeReversal');
