"""The published client of x402 for EVM chains, as the tests compare with it.

eth-account is loaded by our own code first: loaded by this client, it would let Python recurse 100,000 deep in the whole test process.
"""

from metering.paying import evm

make_account, _ = evm._signing_functions()

from x402 import x402ClientSync  # noqa: E402
from x402.mechanisms.evm import EthAccountSigner  # noqa: E402
from x402.mechanisms.evm.exact import client as second_version  # noqa: E402
from x402.mechanisms.evm.exact import register_exact_evm_client  # noqa: E402
from x402.mechanisms.evm.exact.v1 import client as first_version  # noqa: E402

__all__ = ["EthAccountSigner", "first_version", "make_account", "register_exact_evm_client", "second_version", "x402ClientSync"]
