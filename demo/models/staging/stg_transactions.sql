select
    id::uuid as transaction_id,
    user_id::uuid as user_id,
    account_id::uuid as account_id,
    booked_at,
    booking_date,
    value_date,
    amount,
    fee,
    currency,
    kind,
    status,
    category,
    merchant,
    description,
    tag_ids::uuid[] as tag_ids
from {{ source('household_books', 'transactions') }}
