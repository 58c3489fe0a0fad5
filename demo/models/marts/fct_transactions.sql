select
    transactions.user_id,
    transactions.booking_date,
    transactions.transaction_id,
    transactions.booked_at,
    transactions.value_date,
    transactions.account_id,
    accounts.account_name,
    transactions.amount,
    transactions.fee,
    transactions.currency,
    transactions.status,
    transactions.kind,
    transactions.category,
    transactions.merchant,
    transactions.description,
    transactions.tag_ids
from {{ ref('stg_transactions') }} as transactions
inner join {{ ref('stg_accounts') }} as accounts using (user_id, account_id)
order by transactions.user_id, transactions.booking_date, transactions.transaction_id
