select
    id::uuid as account_id,
    user_id::uuid as user_id,
    name as account_name,
    kind,
    currency,
    opened_on,
    closed_on
from {{ source('household_books', 'accounts') }}
