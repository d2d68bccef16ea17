// One step's PIM launches as instructions of the AiM simulator: rows by their MACs, channels by masks.

// RUN: xdsl-opt %s -t aim-trace | filecheck %s
// RUN: xdsl-opt %s -t "aim-trace{past=3}" | filecheck %s --check-prefix PAST

// CHECK:      AiM WR_BIAS 0 0xffffffff
// CHECK-NEXT: AiM WR_GB 4 0 0xc0000000
// CHECK-NEXT: AiM MAC_ABK 4 0xc0000000 7
// CHECK-NEXT: AiM RD_MAC 0 0xc0000000
// CHECK-NEXT: AiM WR_BIAS 0 0xc0000000
// CHECK-NEXT: W MEM 1 2 5
// CHECK-NEXT: R MEM 0 0 66
// CHECK-NEXT: W MEM 1 2 5
// CHECK-NEXT: AiM WR_ABK 0 0x40000000 9
// CHECK-NEXT: AiM COPY_BKGB 2 0x40000000 3 6
// CHECK-NEXT: AiM SYNC
// CHECK-NEXT: AiM EOC

// PAST: R MEM 0 0 6

builtin.module attributes {llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 64>, pim.memory = #pim.memory<name = "small", channels = 2, banks = 16, rows = 16384, row_bytes = 2048, column_bytes = 32, buffer_bytes = 2048, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [write_buffer, activate, mac], mac_operands = "none">} {
  func.func @bank_commands(%x: !host.buffer<1x64xf16>, %past: index) attributes {device = "pim"} {
    %c0 = arith.constant 0 : index
    pim.write_buffer(space = local, src = %x, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) : !host.buffer<1x64xf16>
    pim.activate(row = 7, channel = 0, channels = 1)
    pim.activate(row = 7, channel = 1, channels = 1)
    pim.mac(column = 0, columns = 4, buffer_column = 0, channel = 0, channels = 1)
    pim.mac(column = 0, columns = 4, buffer_column = 0, channel = 1, channels = 1)
    pim.read_acc(space = local, dst = %x, channel_stride = 64, banks = 16, channel = 0, channels = 1) : !host.buffer<1x64xf16>
    pim.read_acc(space = local, dst = %x + 64, channel_stride = 64, banks = 16, channel = 1, channels = 1) : !host.buffer<1x64xf16>
    pim.read_acc(space = local, dst = %x, channel_stride = 64, banks = 16, channel = 0, channels = %c0) : !host.buffer<1x64xf16>, index
    pim.precharge(channel = 0, channels = 2)
    pim.write(src = %x, channel = 1, bank = 2, row = 5, offset = 30, bytes = 4) : !host.buffer<1x64xf16>
    pim.scatter(src = %x, channel = 1, row = 9, offset = 8, banks = 16) : !host.buffer<1x64xf16>
    pim.copy_row(bank = 3, row = 6, column = 0, columns = 2, buffer_column = 0, channel = 1, channels = 1)
    pim.read(dst = %x, channel = 0, bank = 0, row = 3 + %past, offset = 0, bytes = 32) : !host.buffer<1x64xf16>, index
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer {role = "tokens", address = 0 : i64} : !host.buffer<1x64xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %start = host.start
    %end = scf.for %i = %c0 to %sequences step %c1 iter_args(%before = %start) -> (!host.event) {
      %row, %new, %past, %slot = host.sequence %i
      %done = host.launch @bank_commands(%x, %past) after(%before) : !host.buffer<1x64xf16>, index
      scf.yield %done : !host.event
    }
    func.return
  }
}
